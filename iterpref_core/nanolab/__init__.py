"""The embedded default: a small code model and its debugger, trained from scratch in minutes on a CPU.

`tokenizer` trains the BPE, `repairs` breaks references into refinement examples, `pretrain` trains a model on
(prompt, completion) examples, `build` is the stage. Downstream nothing knows these models from a 7B one.
"""
