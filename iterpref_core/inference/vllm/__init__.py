"""vLLM: a server in an environment of its own, for as long as it is needed."""
