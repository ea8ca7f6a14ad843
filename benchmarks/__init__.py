"""Measurements behind the figures in README.md; each prints what it measured."""
