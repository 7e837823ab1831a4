"""Parts of a model's answer: its reasoning, its fenced blocks, and the bare code in its prose."""
