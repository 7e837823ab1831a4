"""Compute pass@k with its interval, and test pairs of models."""
