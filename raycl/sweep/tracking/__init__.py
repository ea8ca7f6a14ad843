"""Trackers: who follows the numbers of a sweep while it trains, one run for each node."""
