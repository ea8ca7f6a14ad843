"""The document's figures, one file for each."""
