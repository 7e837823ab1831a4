"""HumanEval(+) and MBPP(+): `suite` is the entry, `oracle` has the expected results, `tasks` the equality."""
