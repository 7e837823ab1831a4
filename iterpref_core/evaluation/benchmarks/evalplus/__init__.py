"""HumanEval(+) and MBPP(+): `suite` is the entry, `tasks` the equality."""
