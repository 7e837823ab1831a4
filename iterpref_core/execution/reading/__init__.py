"""Reading: which tests the supervisor can judge by itself, told from their sources alone, without running anything."""
