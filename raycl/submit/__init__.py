"""Sweeps as jobs of a Ray cluster: what is sent along, and Ray's Jobs API."""
