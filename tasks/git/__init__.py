"""Git: worktrees, and the commit that a run starts from."""
