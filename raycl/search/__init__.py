"""Searches: what proposes what is tried next."""
