"""Models in this process: checkpoints, tokenizers and batched generation with transformers."""
