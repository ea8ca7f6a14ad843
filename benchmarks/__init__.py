"""Measurements behind the figures in README.md; each module prints its results."""
