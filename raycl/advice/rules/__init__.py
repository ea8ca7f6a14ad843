"""The rules of advice: one a file, each a function from outcomes to points."""
