"""Read prompts and answers, which are texts or the messages of a conversation.

Data sets publish the same message in several shapes:

    {"role": "user", "content": "Add."}                                the shape of chat templates
    {"role": "user", "content": [{"type": "text", "text": "Add."}]}    its content in parts
    {"from": "human", "value": "Add."}                                 ShareGPT's names
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict

_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
Role = Literal["system", "user", "assistant"]
# Other names for roles → the role.
_ROLES = {
    "human": "user",
    **dict.fromkeys(("gpt", "model", "bot"), "assistant"),
    # OpenAI's later name for the same role.
    "developer": "system",
}


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
    # A conversation ends with the question: the model writes the answer.
    messages = tuple(map(read_message, value))
    if not messages or messages[-1].role != "user":
        last = f"the {messages[-1].role}'s" if messages else "missing"
        raise ValueError(f"the last message must be the user's, which is to be answered; it is {last}")
    if any(message.role == "system" for message in messages[1:]):
        raise ValueError("a message of the system must be the first one")
    return messages


def read_message(value: Any) -> Message:
    """Return a message in any of the shapes above.

    Raises:
        ValueError: the value is not a message.
    """
    if isinstance(value, Message):
        return value
    if isinstance(value, str):
        raise ValueError(
            "a text or messages are expected, not a list of texts; give a row for each of them, or name one, as in "
            "chosen=chosen.0"
        )
    if not isinstance(value, Mapping):
        raise ValueError(f"a text or messages are expected, not {type(value).__name__}")
    # ShareGPT has `from` and `value`, OpenAI `role` and `content`.
    stated = value.get("role") or value.get("from")
    content = value["value"] if value.get("content") is None and "value" in value else value.get("content")
    # OpenAI's content may be a list of parts.
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, Mapping)]
        # An image has no text, and a prompt without its image asks something else.
        content = "".join(map(str, texts)) if len(texts) == len(content) and None not in texts else None
    if not isinstance(stated, str) or not isinstance(content, str):
        raise ValueError("a message has the texts `role` and `content`, or `from` and `value`")
    role = _ROLES.get(stated.lower(), stated.lower())
    if role not in get_args(Role):
        raise ValueError(f"the role of a message is one of {', '.join(get_args(Role))}, not {stated!r}")
    return Message(role=role, content=content)


def read_answer(value: Any) -> str:
    """Return an answer from JSON: a text, or a list with one message of the assistant.

    Raises:
        ValueError: the value is neither.
    """
    if isinstance(value, str):
        return value
    if not isinstance(value, list | tuple):
        raise ValueError(f"a text or a list with one message is expected, not {type(value).__name__}")
    messages = list(map(read_message, value))
    if len(messages) != 1 or messages[0].role != "assistant":
        raise ValueError(
            "an answer is one message of the assistant; `iterpref ingest --format trl` reads whole conversations"
        )
    return messages[0].content


# A text; a list with one message of the assistant is read as its text.
Answer = Annotated[str, BeforeValidator(read_answer)]
# A text, or messages: the system's may come first, and the last one is the user's.
Prompt = Annotated[str | tuple[Message, ...], BeforeValidator(read_prompt)]


def question(prompt: Prompt) -> str:
    """Return the text that is to be answered, which is the content of the last message.

    >>> question((Message(role="system", content="Be brief."), Message(role="user", content="Add.")))
    'Add.'
    """
    return prompt if isinstance(prompt, str) else prompt[-1].content


def with_question(prompt: Prompt, text: str) -> Prompt:
    """Return a prompt with another question; earlier messages stay."""
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
    r"""Return all of a prompt as one text for readers, with the role before each message.

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
