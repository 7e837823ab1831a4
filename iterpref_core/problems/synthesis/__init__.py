"""Problem synthesis by a language model, after EpiCoder (arXiv 2501.04694), as the paper's problems were made.

`seed_code` reads programs. `synthesis` asks a model for their features, for more features, and for problems made of
some of them. It keeps the problems whose solutions pass their own tests. `feature_tree` holds the features,
`answer_forms` the forms of a model's answers.
"""
