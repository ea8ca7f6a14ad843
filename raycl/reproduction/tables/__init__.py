"""The document's tables, one file for each, with the paper's numbers beside ours."""
