"""What storage holds of training: which states there are, who needs them, what may go."""
