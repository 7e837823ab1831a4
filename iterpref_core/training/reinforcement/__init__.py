"""Reinforcement by tests: a model answers problems, and answers that pass their tests become more likely.

`grpo.train_grpo` trains a model with TRL's `GRPOTrainer`. What is this project's own stands around it: the problems
that take part, the prompt as the model's template writes it, the program in an answer, its tests, run in isolation, and
rewards beside them.
"""
