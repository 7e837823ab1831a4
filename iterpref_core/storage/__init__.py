"""Storage: JSONL and atomic files, SQLite, and journals of what a run has done."""
