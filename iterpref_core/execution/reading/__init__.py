"""Reading: which tests the supervisor can decide by itself, told from their sources alone, without running anything."""
