"""Read the prompts and answers of rows, which are texts or turns of a conversation.

A column may hold a text, a message, a list of messages, or a text with these in JSON.
"""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from iterpref_core.problems.ingestion.columns import Columns, LeftOutError
from iterpref_core.problems.ingestion.values import Row, read_text_value
from iterpref_core.records.prompt_messages import Prompt, read_message, read_prompt

_MESSAGES = re.compile(r"""\s*\[\s*\{\s*["'](?:role|content|from|value)["']""")
"""The beginning of messages as JSON or as a Python literal, as pandas writes them into CSV."""


class Turn(NamedTuple):
    """A turn of a conversation; the role is empty if the speaker is unknown, as in a plain text."""

    role: str
    text: str


def read_turns(value: Any) -> list[Turn]:
    """Return the turns of a value in a column.

    Raises:
        ValueError: the value has another shape.
    """
    if isinstance(value, str) and _MESSAGES.match(value):
        value = read_text_value(value)
        if isinstance(value, str):
            # As pandas writes the lists of a Parquet file into CSV: without commas.
            raise ValueError("a text begins as messages in JSON, and is not JSON; convert the set by `datasets`")
    if isinstance(value, str):
        return [Turn("", value)]
    messages = map(read_message, value if isinstance(value, list) else [value])
    return [Turn(message.role, message.content) for message in messages]


def read_statement(row: Row, columns: Columns) -> Prompt:
    """Return the prompt in a row's columns.

    Raises:
        LeftOutError: the prompt has no words.
        ValueError: a column is missing, or holds something else.
    """
    return as_prompt(column_turns(row, columns, "prompt"))


def column_turns(row: Row, columns: Columns, part: str) -> list[Turn]:
    """Return the turns in several columns; texts, such as an instruction and its input, are joined by line breaks.

    A list of texts, such as examples, is joined in the same way.

    Raises:
        ValueError: there are texts and messages, or something else.
    """
    values: list[Any] = []
    for value in columns.values(row, part):
        # `["Add.", "1 -> 2"]` is a statement with an example.
        values += value if isinstance(value, list) else [value]
    if all(isinstance(value, str) for value in values):
        return read_turns("\n".join(filter(None, values)))
    if any(isinstance(value, str) for value in values):
        raise ValueError(f"{part}: texts and other values cannot be joined; name columns of one kind")
    return [turn for value in values for turn in read_turns(value)]


def as_prompt(asked: Sequence[Turn]) -> Prompt:
    """Return the text of a single question, else messages.

    Raises:
        LeftOutError: a question is missing.
        ValueError: a turn has an unknown role, or the last turn is not a question.
    """
    turns = [turn for turn in asked if turn.text.strip()]
    if not any(says_something(turn.text) for turn in turns if turn.role != "system"):
        raise LeftOutError("no_prompt", "its statement says nothing")
    # A single question is a text, also if its set has it as a message.
    roles = [turn.role for turn in turns]
    if roles == ["user"] or not any(roles):
        return "\n\n".join(turn.text for turn in turns)
    return read_prompt([{"role": turn.role or "user", "content": turn.text} for turn in turns])


def says_something(statement: str) -> bool:
    """Return True if a statement has a letter or a digit; OpenCodeReasoning-2 has a dash for statements it lacks.

    >>> says_something("Add 1."), says_something(" - "), says_something("求和")
    (True, False, True)
    """
    return any(character.isalnum() for character in statement)
