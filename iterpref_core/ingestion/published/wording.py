"""Wording: the words that a prompt adds to a published question, which ask for a script or for a named function."""

SCRIPT = "Write a Python program that reads standard input and prints its answer."


def ask_for_script(question: str, starter_code: str = "") -> str:
    """Return the prompt for a program that reads standard input."""
    return _ask(question, SCRIPT, starter_code)


def ask_for_call(question: str, call: str, starter_code: str = "") -> str:
    r"""Return the prompt for a function, or for a class with a method, that the tests call by the expression `call`.

    >>> print(ask_for_call("Find both ends.", "Solution().ends"))
    Find both ends.
    <BLANKLINE>
    Write a Python class `Solution` with a method `ends`.
    """
    owner, dot, name = call.rpartition(".")
    if dot:
        wanted = f"Write a Python class `{owner.removesuffix('()')}` with a method `{name}`."
    else:
        wanted = f"Write a Python function `{name}`."
    return _ask(question, wanted, starter_code)


def _ask(question: str, wanted: str, starter_code: str) -> str:
    prompt = f"{question.strip()}\n\n{wanted}"
    if starter_code.strip():
        prompt += f" Begin with:\n```python\n{starter_code.rstrip()}\n```"
    return prompt
