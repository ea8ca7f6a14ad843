"""What a given model is, read without torch: its files, its configuration, its identity."""
