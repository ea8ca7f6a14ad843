"""The model: its configuration, its modules without bytes, its attention, its head and loss."""
