"""Problem synthesis by a language model, after EpiCoder (arXiv 2501.04694): the way IterPref's own were made.

`seed_code` reads programs, `synthesis_prompts` asks a model for their features, for more of them, and for problems made
of some; `feature_tree` holds what it says, `answer_parsing` reads its answers, and `synthesis` keeps the problems whose
solutions pass their own tests and `trivial_programs` do not.
"""
