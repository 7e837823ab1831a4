"""Comparison: of what a program has returned or printed with what was expected; out of the program's reach."""
