"""Read checkpoints, weights, adapters, tokenizers, chat templates, and the lineage of a trained model."""
