"""Replies of OpenAI-compatible endpoints: every shape that has a choice is an answer, if need be an empty one.

Servers leave out different fields. Counts may be absent or null, the content may be null or a list of parts, a
choice may have no message. Only a reply without any choice is none.
"""

import json
from typing import Any

from iterpref_core.inference.backend import Completion, Request
from iterpref_core.prompt_messages import prompt_text

CHARACTERS_PER_TOKEN = 3
"""An estimate, for servers that do not count tokens."""

_CUT = {"length", "content_filter", "max_tokens", "max_output_tokens"}
"""Reasons to finish that say that an answer is not whole. A cut by a filter is as final as one by a limit."""
_REASONING_PARTS = {
    "thinking",
    "reasoning",
    "redacted_thinking",
    "reasoning_content",
    "reasoning_text",
}
_REASONING_FIELDS = ("reasoning_content", "reasoning")


def read_reply(content: bytes | str) -> dict[str, Any]:
    """Return a reply as JSON has it.

    Raises:
        ValueError: the text is no reply; the message names the field.
    """
    try:
        reply = json.loads(content)
    except ValueError as error:
        raise ValueError(f"it is no JSON ({error})") from None
    if not isinstance(reply, dict):
        raise ValueError(f"it is no JSON object but {_shown(reply)}")
    choices = reply.get("choices")
    if isinstance(choices, list) and choices:
        return reply
    if reply.get("error"):
        raise ValueError(f"field 'error': {_shown(reply['error'])}")
    raise ValueError(f"field 'choices': a list with an answer is expected, not {_shown(choices)}")


def completion_of(reply: dict[str, Any], request: Request) -> Completion:
    """Return the answer in a reply, with the tokens that it cost, which are estimated where they are not counted."""
    choice = reply["choices"][0]
    if not isinstance(choice, dict):
        choice = {"text": choice}
    message = choice.get("message") or choice.get("delta")
    text = _text(message) or _text(choice.get("text"))
    usage = reply.get("usage")
    if not isinstance(usage, dict):
        usage = {}
    prompt_tokens = _count(usage.get("prompt_tokens"))
    completion_tokens = _count(usage.get("completion_tokens"))
    total = _count(usage.get("total_tokens"))
    # Some servers count the prompt and the total alone: {"prompt_tokens": 12, "total_tokens": 40} is 28 for the answer.
    if completion_tokens is None and prompt_tokens is not None and total is not None and total >= prompt_tokens:
        completion_tokens = total - prompt_tokens
    if prompt_tokens is None:
        prompt_tokens = _estimate(request.system + prompt_text(request.prompt))
    if completion_tokens is None:
        completion_tokens = _estimate(text + _reasoning(message))
    truncated = str(choice.get("finish_reason")).lower() in _CUT
    return Completion(text, prompt_tokens, completion_tokens, truncated)


def _text(content: Any) -> str:
    """Return the text in a content: it may be a text, a part with one, or a list of parts; reasoning is left out."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(map(_text, content))
    if not isinstance(content, dict) or content.get("type") in _REASONING_PARTS:
        return ""
    for field in ("content", "text", "value"):
        if content.get(field):
            return _text(content[field])
    return ""


def _reasoning(message: Any) -> str:
    """Return the reasoning that a server has put beside the answer."""
    if not isinstance(message, dict):
        return ""
    return "".join(_text(message.get(field)) for field in _REASONING_FIELDS)


def _count(value: Any) -> int | None:
    """Return a count of tokens; None for another value."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value < 1e15 else None


def _estimate(text: str) -> int:
    return 1 + len(text) // CHARACTERS_PER_TOKEN


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:200]}…"
