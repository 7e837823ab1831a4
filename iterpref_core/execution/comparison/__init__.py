"""Compare a program's values and output with the expected ones, out of the program's reach."""
