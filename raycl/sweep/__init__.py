"""One sweep from recipe to report: nodes of the tree, trained on a Ray cluster."""
