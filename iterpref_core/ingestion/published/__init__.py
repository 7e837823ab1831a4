"""Published problem sets: the parts that their formats share, from rows to problems with the programs they bring."""
