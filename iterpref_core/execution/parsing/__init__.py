"""Read from its source which tests the supervisor can decide by itself."""
