"""What the recipes of a sweep did: outcomes, metrics, tables and the report."""
