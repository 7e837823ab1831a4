"""Read models from files: checkpoints, weights, adapters, tokenizers, chat templates, and their lineage."""
