"""Storage: JSONL and atomic files, SQLite, and stores of what a run has done."""
