"""Define what the engine takes and returns, and what the supervisor and the zygotes exchange."""
