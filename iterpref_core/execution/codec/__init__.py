"""Codec: values as text, on their way between processes that do not trust each other."""
