"""What to do next: settings compared with their uncertainty, laws fitted, one recommendation."""
