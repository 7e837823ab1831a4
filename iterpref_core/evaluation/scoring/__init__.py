"""Score samples of a file and outputs of other harnesses, and compare results of several models."""
