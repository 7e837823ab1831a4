"""Write files that appear whole or not at all, and keep the files of long runs.

In: records and rows. Out: JSONL, Parquet, SQLite, digests, things made once, progress on the terminal. Other rooms
import the names of `__all__` alone.
"""

__all__ = [
    "cores",
    "data_card",
    "digests",
    "dropped",
    "items",
    "jsonl",
    "make_once",
    "new_folder",
    "own_pairs",
    "packed_text",
    "progress",
    "sample_layouts",
    "shards",
    "sqlite",
    "state_folder",
    "whole_folder",
]
