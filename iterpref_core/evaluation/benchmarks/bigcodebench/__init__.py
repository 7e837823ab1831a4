"""BigCodeBench: `suite` is the entry, `environment` finds the interpreter with the libraries of its tasks."""
