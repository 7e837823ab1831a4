"""Answers of models, read: `extraction` finds the program in an answer. The other modules read parts of one."""
