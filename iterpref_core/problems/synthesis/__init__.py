"""Problem synthesis by a language model, after EpiCoder (arXiv 2501.04694): the way IterPref's own were made.

`seed_code` reads programs. `synthesis` asks a model for their features, for more of them, and for problems made of
some, and keeps the problems whose solutions pass their own tests. `feature_tree` holds the features, `answer_forms`
has the forms of what a model says.
"""
