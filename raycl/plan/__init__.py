"""Pure arithmetic of rates, rows, hashes, the tree and its cost. Knows no file, Ray or torch."""
