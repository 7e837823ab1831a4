"""LiveCodeBench: `suite` is the entry, `data` reads the published files, `prompts` asks as its own runner does."""
