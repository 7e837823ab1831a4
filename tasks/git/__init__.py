"""Make git worktrees, and read the commit that a run starts from."""
