"""Train the embedded student and debugger from scratch, in minutes on a CPU.

Stage `nanolab`; `embedded_models.build_models` is the entry point, and trains the tokenizer. `pretrain` trains a model,
and `repairs` makes the examples that teach the debugger refinement. Other rooms import the names of `__all__` alone.
"""

__all__ = ["embedded_models", "gguf_checkpoint"]
