"""Preference sets: rows of others, by whatever names and in whatever shapes, as pairs of programs."""
