"""Runs as they are watched: live records, the snapshot of a sweep, and the page that shows it."""
