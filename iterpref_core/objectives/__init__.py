"""The table of objectives: what training, tuning, the command line and the report know of each of them."""
