"""Statistics: pass@k with its interval, paired tests of two models, seeds derived from what they are for."""
