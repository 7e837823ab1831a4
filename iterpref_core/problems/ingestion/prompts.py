"""Read the prompts and answers of rows, which are texts or turns of a conversation.

A column may hold a text, a message, a list of messages, or a text with these in JSON.
"""

import re
from collections.abc import Sequence
from typing import Any

from iterpref_core.records import Message, Prompt, Role, read_message, read_prompt

from .columns import Columns, DroppedError
from .values import Row, read_text_value

_MESSAGES = re.compile(r"""\s*\[\s*\{\s*["'](?:role|content|from|value)["']""")
"""The beginning of messages as JSON or as a Python literal, as pandas writes them into CSV."""


def read_turns(value: Any, speaker: Role) -> list[Message]:
    """Return the messages of a value in a column; a plain text is one of the speaker.

    Raises:
        ValueError: the value has another shape.
    """
    if isinstance(value, str) and _MESSAGES.match(value):
        value = read_text_value(value)
        if isinstance(value, str):
            # As pandas writes the lists of a Parquet file into CSV: without commas.
            raise ValueError("a text begins as messages in JSON, and is not JSON; convert the set by `datasets`")
    if isinstance(value, str):
        return [Message(role=speaker, content=value)]
    return list(map(read_message, value if isinstance(value, list) else [value]))


def read_statement(row: Row, columns: Columns) -> Prompt:
    """Return the prompt in a row's columns.

    Raises:
        DroppedError: the prompt has no words.
        ValueError: a column is missing, or holds something else.
    """
    return as_prompt(column_turns(row, columns, "prompt", "user"))


def column_turns(row: Row, columns: Columns, part: str, speaker: Role) -> list[Message]:
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
        return read_turns("\n".join(filter(None, values)), speaker)
    if any(isinstance(value, str) for value in values):
        raise ValueError(f"{part}: texts and other values cannot be joined; name columns of one kind")
    return [turn for value in values for turn in read_turns(value, speaker)]


def as_prompt(messages: Sequence[Message]) -> Prompt:
    """Return the text of a single question, else messages.

    Raises:
        DroppedError: a question is missing.
        ValueError: the last message is not a question.
    """
    turns = [turn for turn in messages if turn.content.strip()]
    if not any(says_something(turn.content) for turn in turns if turn.role != "system"):
        raise DroppedError("no_prompt", "its statement says nothing")
    # A single question is a text, also if its set has it as a message.
    return turns[0].content if [turn.role for turn in turns] == ["user"] else read_prompt(turns)


def says_something(statement: str) -> bool:
    """Return True if a statement has a letter or a digit; OpenCodeReasoning-2 has a dash for statements it lacks.

    >>> says_something("Add 1."), says_something(" - "), says_something("求和")
    (True, False, True)
    """
    return any(character.isalnum() for character in statement)
