"""Formats of problem sets: one file each, called as the format is. `published/published.py` says what it defines."""
