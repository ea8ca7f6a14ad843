"""The `raycl` command: one file for each group of commands."""
