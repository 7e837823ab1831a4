"""Statistics: pass@k with its interval, and paired tests of two models."""
