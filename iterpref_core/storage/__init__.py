"""Storage: JSONL and atomic files, SQLite, digests, and files that are made once."""
