"""Pairs from rows: preference sets, and buggy programs with fixed ones, under any names of columns."""
