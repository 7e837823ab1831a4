"""Codec: values as text, on their way out of a process that nobody trusts."""
