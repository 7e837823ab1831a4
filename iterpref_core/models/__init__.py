"""Read checkpoints, tokenizers and chat templates, and ask models.

In: a folder, a hub name or an endpoint, and prompts. Out: loaded models and answers, each answer paid once
(`inference`). Other rooms import the names of `__all__` alone.
"""

__all__ = [
    "inference",
    "pretrained",
    "prompts",
    "saving",
]
