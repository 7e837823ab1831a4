r"""Prompts and answers of rows: texts, or turns of a conversation.

Sets publish the same content in five shapes:

    "Add."                                            a text
    {"role": "user", "content": "Add."}               a message
    {"from": "human", "value": "Add."}                a message of ShareGPT's
    [{"role": "user", "content": [{"type": "text", "text": "Add."}]}]       messages, with content in parts
    "\n\nHuman: Add.\n\nAssistant: Sure."             a conversation in a text, as in hh-rlhf
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from iterpref_core.problems.ingestion.columns import Columns
from iterpref_core.problems.ingestion.problems.wording import says_something
from iterpref_core.records.prompt_messages import Prompt, read_prompt

_ROLES = {
    "human": "user",
    "gpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "chatgpt": "assistant",
}
_SPEAKER = re.compile(r"\n\n(Human|Assistant): ?")


class Turn(NamedTuple):
    """A turn of a conversation; the role is empty if the speaker is unknown, as in a plain text."""

    role: str
    text: str


def read_turns(value: Any) -> list[Turn]:
    """Return the turns of a value in any of the shapes above.

    Raises:
        ValueError: the value has another shape, which the message names.
    """
    if value is None:
        return []
    if isinstance(value, str):
        return _turns_of_text(value)
    if isinstance(value, Mapping):
        return [_message(value)]
    if isinstance(value, list):
        turns: list[Turn] = []
        for item in value:
            if not isinstance(item, Mapping):
                # [["Hi.", "Hello."], ["Add.", "Sure."]] is a conversation as well, whose roles nobody states.
                raise ValueError(f"a list of messages is expected, not one with a {type(item).__name__}")
            turns.append(_message(item))
        return turns
    raise ValueError(f"a text or messages are expected, not {type(value).__name__}")


def _turns_of_text(text: str) -> list[Turn]:
    parts = _SPEAKER.split(text)
    if len(parts) == 1 or parts[0].strip():
        return [Turn("", text)]
    # "\n\nHuman: Add.\n\nAssistant: Sure." gives the parts "", "Human", "Add.", "Assistant", "Sure.".
    speakers = parts[1::2]
    texts = parts[2::2]
    turns = []
    for speaker, said in zip(speakers, texts, strict=True):
        role = "user" if speaker == "Human" else "assistant"
        turns.append(Turn(role, said))
    return turns


def _message(message: Mapping[str, Any]) -> Turn:
    # OpenAI's {"role": "user", "content": "Hi"}, or ShareGPT's {"from": "human", "value": "Hi"}.
    role = message.get("role", message.get("from"))
    content = message.get("content", message.get("value"))
    has_content = "content" in message or "value" in message
    if not isinstance(role, str) or not has_content:
        raise ValueError(f"a message has `role` and `content`, or `from` and `value`; there are {', '.join(message)}")
    return Turn(
        role=_ROLES.get(role, role),
        text=_content(content),
    )


def _content(content: Any) -> str:
    """Return the text of a message's content, which may be in parts.

    Raises:
        ValueError: the content is something else, or a part has no text, such as a picture that is asked about.
    """
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list) and all(isinstance(part, Mapping) for part in content):
        for part in content:
            if not isinstance(part.get("text"), str):
                raise ValueError(f"a part of a message, of type {part.get('type')!r}, has no text; only texts are read")
        return "".join(part["text"] for part in content)
    raise ValueError(f"content is a text, or a list of parts with `text`, not {type(content).__name__}")


def columns_prompt(row: Mapping[str, Any], columns: Columns) -> Prompt | None:
    """Return the prompt in a row's columns, whose texts are joined by line breaks; None if it says nothing.

    Raises:
        ValueError: a column is missing, or holds something else.
    """
    (first, *others) = join_texts(row, columns, "prompt")
    if isinstance(first, str) and not others:
        return first if says_something(first) else None
    return prompt_of([turn for value in (first, *others) for turn in read_turns(value)])


def join_texts(row: Mapping[str, Any], columns: Columns, part: str) -> list[Any]:
    """Return the texts of several columns, such as an instruction and its input, joined by line breaks; or messages.

    A list of texts, such as examples, is joined in the same way.

    Raises:
        ValueError: there are texts and messages; the message names the columns.
    """
    texts: list[str] = []
    messages: list[Any] = []
    for value in columns.values(row, part):
        parts = value if isinstance(value, list) else [value]
        if all(isinstance(part, str) for part in parts):
            texts += [part for part in parts if part]
        else:
            messages.append(value)
    if texts and messages:
        raise ValueError(f"{part}: texts and other values cannot be joined; name columns of one kind")
    return messages or ["\n".join(texts)]


def prompt_of(asked: Sequence[Turn]) -> Prompt | None:
    """Return the text of a single question, else messages; None if there is no question.

    Raises:
        ValueError: a turn has a role of its own, or the last one is no question.
    """
    turns = [turn for turn in asked if turn.text.strip()]
    # Sets write a dash for a statement that is not there.
    if not any(says_something(turn.text) for turn in turns if turn.role != "system"):
        return None
    without_roles = all(turn.role == "" for turn in turns)
    single_question = len(turns) == 1 and turns[0].role == "user"
    if without_roles or single_question:
        return "\n\n".join(turn.text for turn in turns)
    return read_prompt([{"role": turn.role or "user", "content": turn.text} for turn in turns])
