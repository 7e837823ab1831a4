"""Formats of problem sets: one file each, with the format's name. `published/published.py` describes such a file."""
