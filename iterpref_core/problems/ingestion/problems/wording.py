"""Wording: the words that a prompt adds to a published question, which ask for a script or for a named function."""

from iterpref_core.problems.ingestion.problems.published import LeftOutError

SCRIPT = "Write a Python program that reads standard input and prints its answer."


def says_something(question: str) -> bool:
    """Return True if a statement has a letter or a digit; OpenCodeReasoning-2 has a dash for statements it lacks.

    >>> says_something("Add 1."), says_something(" - "), says_something("求和")
    (True, False, True)
    """
    return any(character.isalnum() for character in question)


def check_statement(statement: str | None) -> None:
    """Check that a published statement says something, before words are added to it.

    Raises:
        LeftOutError: it says nothing.
    """
    if not says_something(statement or ""):
        raise LeftOutError("no_prompt", f"its statement is {statement!r}")


def ask_for_program(question: str, call: str, starter_code: str = "") -> str:
    r"""Return the prompt for a function, or for a class with a method, that tests call; without a call for a script.

    >>> print(ask_for_program("Find both ends.", "Solution().ends"))
    Find both ends.
    <BLANKLINE>
    Write a Python class `Solution` with a method `ends`.
    """
    owner, _, name = call.rpartition(".")
    wanted = SCRIPT
    if owner:
        wanted = f"Write a Python class `{owner.removesuffix('()')}` with a method `{name}`."
    elif name:
        wanted = f"Write a Python function `{name}`."
    prompt = f"{question.strip()}\n\n{wanted}"
    if starter_code.strip():
        prompt += f" Begin with:\n```python\n{starter_code.rstrip()}\n```"
    return prompt
