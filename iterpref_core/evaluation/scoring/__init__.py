"""Scores that no stage makes: samples of a file, outputs of other harnesses, and tables of several models."""
