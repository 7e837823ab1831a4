"""Pictures of README and docs: drawn from a recorded run, or taken of the pages that it made."""
