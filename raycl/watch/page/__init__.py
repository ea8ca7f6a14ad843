"""The page of the dashboard and of the report: one HTML file that needs no network."""
