"""Sweeps as jobs of a Ray cluster: what travels, and Ray's Jobs API."""
