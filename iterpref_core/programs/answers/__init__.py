"""Read answers of models: `extraction` finds the program in an answer; the other modules read its parts."""
