"""Problems written by a language model, after EpiCoder (arXiv 2501.04694): the way IterPref's own were made.

`seeds` reads code, `extract` has a model name its features, `tree` counts and draws them, `evolve` has the model add
more, `compose` has it write problems from drawn features, `synthesize` keeps those whose solution passes their tests.
"""
