"""Given models, read without torch: their files and configuration, their identity, their copy."""
