"""Measuring stored states: losses on any corpus, and tasks of lm-evaluation-harness."""
