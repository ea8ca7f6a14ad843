"""Searches that learn: which recipe a sweep tries next, from what the earlier ones have shown."""
