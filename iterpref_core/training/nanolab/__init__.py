"""Nanolab, the embedded default: a small code model and its debugger, trained from scratch in minutes on a CPU.

Stage `nanolab`; `nanolab.build_models` is the entry point. `byte_bpe` trains the tokenizer, `pretrain` a model, and
`repairs` makes the examples from which the debugger learns refinement.
"""
