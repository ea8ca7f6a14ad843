"""Searches that learn: what a sweep tries next, from what was tried before."""
