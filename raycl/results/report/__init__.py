"""What a sweep found, for people: a table in the terminal, and one page with its figures."""
