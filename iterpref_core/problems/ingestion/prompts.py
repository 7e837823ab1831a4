r"""Prompts and answers of rows: texts, or turns of a conversation.

Sets publish the same content in four shapes:

    "Add."                                            a text
    {"role": "user", "content": "Add."}               a message, or a list of messages, also as JSON in a text
    {"from": "human", "value": "Add."}                a message of ShareGPT's
    "\n\nHuman: Add.\n\nAssistant: Sure."             a conversation in a text, as in hh-rlhf

The content of a message is a text, or a list of parts, {"type": "text", "text": "Add."}.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from iterpref_core.problems.ingestion.columns import Columns, LeftOutError
from iterpref_core.problems.ingestion.values import Row, read_text_value
from iterpref_core.records.prompt_messages import Prompt, read_prompt

_ROLES = {"human": "user", "gpt": "assistant", "model": "assistant", "bot": "assistant"}
_MESSAGES = re.compile(r"""\s*\[\s*\{\s*["'](?:role|content|from|value)["']""")
"""The beginning of messages as JSON or as a Python literal, as pandas writes them into CSV."""

_SPEAKER = re.compile(r"\n\n(Human|Assistant): ?")


class Turn(NamedTuple):
    """A turn of a conversation; the role is empty if the speaker is unknown, as in a plain text."""

    role: str
    text: str


def read_turns(value: Any) -> list[Turn]:
    """Return the turns of a value in any of the shapes above.

    Raises:
        ValueError: the value has another shape.
    """
    if isinstance(value, str) and _MESSAGES.match(value):
        value = read_text_value(value)
        if isinstance(value, str):
            # As pandas writes the lists of a Parquet file into CSV: without commas.
            raise ValueError("a text begins as messages in JSON, and is none; convert the set by `datasets`")
    if isinstance(value, str):
        before, *parts = _SPEAKER.split(value)
        if not parts or before.strip():
            return [Turn("", value)]
        # "\n\nHuman: Add.\n\nAssistant: Sure." gives the parts "", "Human", "Add.", "Assistant", "Sure.".
        return [_turn(speaker, said) for speaker, said in zip(parts[::2], parts[1::2], strict=True)]
    return [_message(message) for message in (value if isinstance(value, list) else [value])]


def _message(message: Any) -> Turn:
    if isinstance(message, str):
        raise ValueError("a text or messages are expected, not a list of texts; give a row for each of them")
    if not isinstance(message, Mapping):
        raise ValueError(f"a text or messages are expected, not {type(message).__name__}")
    # OpenAI's {"role": "user", "content": "Hi"}, or ShareGPT's {"from": "human", "value": "Hi"}.
    role = message.get("role") or message.get("from")
    content = message["value"] if message.get("content") is None and "value" in message else message.get("content")
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, Mapping)]
        # An image is no text.
        content = "".join(map(str, texts)) if len(texts) == len(content) and None not in texts else None
    if not isinstance(role, str) or not isinstance(content, str):
        raise ValueError("a message has the texts `role` and `content`, or `from` and `value`")
    return _turn(role, content)


def _turn(speaker: str, text: str) -> Turn:
    name = speaker.lower()
    return Turn(_ROLES.get(name, name), text)


def read_statement(row: Row, columns: Columns) -> Prompt:
    """Return the prompt in a row's columns.

    Raises:
        LeftOutError: the prompt says nothing.
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
        values += value if isinstance(value, list) else [value]
    if all(isinstance(value, str) for value in values):
        return read_turns("\n".join(filter(None, values)))
    if any(isinstance(value, str) for value in values):
        raise ValueError(f"{part}: texts and other values cannot be joined; name columns of one kind")
    return [turn for value in values for turn in read_turns(value)]


def as_prompt(asked: Sequence[Turn]) -> Prompt:
    """Return the text of a single question, else messages.

    Raises:
        LeftOutError: there is no question.
        ValueError: a turn has a role of its own, or the last one is no question.
    """
    turns = [turn for turn in asked if turn.text.strip()]
    if not any(says_something(turn.text) for turn in turns if turn.role != "system"):
        raise LeftOutError("no_prompt", "its statement says nothing")
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
