"""Prompts: a text, or the messages of a conversation whose next answer is asked for."""

import re
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict

_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
Role = Literal["system", "user", "assistant"]


class Message(BaseModel):
    """A message of a conversation.

    Attributes:
        role: `system` sets the scene, `user` asks, `assistant` answers.
        content: the text.
    """

    model_config = ConfigDict(frozen=True)

    role: Role
    content: str


def read_prompt(value: Any) -> "str | tuple[Message, ...]":
    """Return a prompt from JSON: a text, or a list of messages.

    Raises:
        ValueError: the value is neither, or no answer can follow its messages.
    """
    if isinstance(value, str):
        return value
    if not isinstance(value, list | tuple):
        raise ValueError(f"a text or a list of messages is expected, not {type(value).__name__}")
    messages = tuple(_read_message(number, item) for number, item in enumerate(value, start=1))
    if not messages or messages[-1].role != "user":
        last = f"the {messages[-1].role}'s" if messages else "missing"
        raise ValueError(f"the last message must be the user's, which is to be answered; it is {last}")
    if any(message.role == "system" for message in messages[1:]):
        raise ValueError("a message of the system must be the first one")
    return messages


def _read_message(number: int, value: Any) -> Message:
    """Return one of the messages, which are numbered from 1.

    Raises:
        ValueError: the value is no message.
    """
    if isinstance(value, Message):
        return value
    if not isinstance(value, dict) or value.get("role") not in get_args(Role):
        raise ValueError(f"message {number}: the field `role` must be one of {', '.join(get_args(Role))}")
    if not isinstance(value.get("content"), str):
        raise ValueError(f"message {number}: the field `content` must be a text")
    return Message(role=value["role"], content=value["content"])


def read_answer(value: Any) -> str:
    """Return an answer from JSON: a text, or a list with one message of the assistant.

    Raises:
        ValueError: the value is neither.
    """
    if isinstance(value, str):
        return value
    if not isinstance(value, list | tuple):
        raise ValueError(f"a text or a list with one message is expected, not {type(value).__name__}")
    messages = [_read_message(number, item) for number, item in enumerate(value, start=1)]
    if len(messages) != 1 or messages[0].role != "assistant":
        raise ValueError("an answer is one message of the assistant; earlier ones belong to the prompt")
    return messages[0].content


Prompt = Annotated[str | tuple[Message, ...], BeforeValidator(read_prompt)]
"""A text, or messages: at most one of the system, which is the first, and at last one of the user."""


def question(prompt: Prompt) -> str:
    """Return the text that is to be answered: of messages the content of the last one.

    >>> question((Message(role="system", content="Be brief."), Message(role="user", content="Add.")))
    'Add.'
    """
    return prompt if isinstance(prompt, str) else prompt[-1].content


def with_question(prompt: Prompt, text: str) -> Prompt:
    """Return a prompt with another text in the place of the one that is to be answered; earlier messages stay."""
    if isinstance(prompt, str):
        return text
    return (*prompt[:-1], Message(role="user", content=text))


def prompt_text(prompt: Prompt) -> str:
    r"""Return all of a prompt as one text, without roles, for a model without a chat template.

    >>> prompt_text((Message(role="system", content="Be brief."), Message(role="user", content="Add.")))
    'Be brief.\n\nAdd.'
    """
    return prompt if isinstance(prompt, str) else "\n\n".join(message.content for message in prompt)


def labeled_text(prompt: Prompt) -> str:
    r"""Return all of a prompt as one text for readers, in which every message begins with its role.

    >>> labeled_text((Message(role="system", content="Be brief."), Message(role="user", content="Add.")))
    'system: Be brief.\n\nuser: Add.'
    """
    if isinstance(prompt, str):
        return prompt
    return "\n\n".join(f"{message.role}: {message.content}" for message in prompt)


def chat_messages(prompt: Prompt) -> list[dict[str, str]]:
    """Return a prompt as chat templates and servers take it; a text is one message of the user.

    >>> chat_messages("Add.")
    [{'role': 'user', 'content': 'Add.'}]
    """
    messages = (Message(role="user", content=prompt),) if isinstance(prompt, str) else prompt
    return [message.model_dump() for message in messages]


def whole_characters(text: str) -> str:
    r"""Return a text with a replacement character for each half of one: JSON can write it, and UTF-8 cannot.

    >>> whole_characters("Done \ud83d")
    'Done �'
    """
    return _HALF_CHARACTER.sub("\ufffd", text)


def plain_prompt(prompt: Prompt) -> Any:
    """Return a prompt as JSON has it: a text, or a list of messages."""
    return prompt if isinstance(prompt, str) else chat_messages(prompt)
