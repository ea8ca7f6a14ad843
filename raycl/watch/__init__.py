"""Runs as they are watched: live records, snapshots of a storage, the dashboard and its page."""
