"""The paper's claims, one file for each subject, and the rule that decides them."""
