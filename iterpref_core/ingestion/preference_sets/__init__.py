"""Preference sets: published rows with many names of columns and shapes of answers, as pairs of programs."""
