"""Read pairs and submissions from rows of published sets, under any names of columns."""
