"""Replies of OpenAI-compatible endpoints: a choice that is said to be finished, or cut, is an answer, and nothing else.

Servers leave out different fields. Counts may be absent or null, the content may be null or a list of parts, a choice
may have no message: such an answer is an empty one. A reply may come as a stream, whose pieces are put together.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from iterpref_core.inference.backend import Completion, Request
from iterpref_core.prompt_messages import prompt_text, whole_characters

CHARACTERS_PER_TOKEN = 3
"""An estimate, for servers that do not count tokens."""

_FINISHED = {
    *("stop", "end_turn", "eos", "eos_token", "end_of_text", "stop_sequence", "stop_token", "stop_string"),
    *("complete", "completed", "finished", "tool_calls", "tool_call", "tool_use", "function_call"),
}
"""Reasons to finish that say that the model has ended its answer."""
_CUT = {
    *("length", "max_tokens", "max_new_tokens", "max_output_tokens", "max_completion_tokens", "max_length"),
    *("model_length", "model_context_window_exceeded", "context_window_exceeded", "context_length_exceeded"),
    *("content_filter", "safety", "recitation", "blocklist", "prohibited_content", "spii"),
}
"""Reasons to finish that say that an answer is not whole. A cut by a filter is as final as one by a limit."""
_REASONING_PARTS = {
    "thinking",
    "reasoning",
    "redacted_thinking",
    "reasoning_content",
    "reasoning_text",
}
_REASONING_FIELDS = ("reasoning_content", "reasoning")
_DATA = re.compile(r"^data:[ \t]?(.*)$", re.MULTILINE)


class BrokenOffError(ValueError):
    """A reply that says that its answer is not one: the server broke it off."""


@dataclass(frozen=True)
class Reply:
    """An answer. `calls_tools`: it is empty, since the model has called a tool instead."""

    answer: Completion
    calls_tools: bool = False


def read_reply(content: bytes | str, request: Request) -> Reply:
    """Return the answer in a reply, with the tokens that it cost, which are estimated where they are not counted.

    Args:
        content: JSON, or a stream of events.
        request: the request, from which the tokens of the prompt are estimated.

    Raises:
        BrokenOffError: the server broke the answer off, or does not say that it is one; the message repeats the reason.
        ValueError: the text is no reply; the message names the field.
    """
    reply = _read_json(content)
    error = reply.get("error")
    choices = reply.get("choices")
    if not isinstance(choices, list) or not choices:
        if error:
            raise ValueError(f"field 'error': {_shown(error)}")
        raise ValueError(f"field 'choices': a list with an answer is expected, not {_shown(choices)}")
    choice = choices[0]
    if not isinstance(choice, dict):
        choice = {"text": choice}
    error = choice.get("error") or error
    if error:
        raise BrokenOffError(f"the answer ends with an error: {_shown(error)}")
    reason = choice.get("finish_reason")
    # Where a server gives no reason at all, nothing speaks against the answer.
    ended = "stop" if reason is None else str(reason).lower()
    if ended not in _FINISHED | _CUT:
        raise BrokenOffError(f"the answer ends with finish_reason {_shown(reason)}")
    message = choice.get("message") or choice.get("delta")
    text = whole_characters(_text(message) or _text(choice.get("text")))
    prompt_tokens, completion_tokens = _tokens(reply.get("usage"), request, text + _reasoning(message))
    answer = Completion(text, prompt_tokens, completion_tokens, ended in _CUT)
    calls = isinstance(message, dict) and bool(message.get("tool_calls") or message.get("function_call"))
    return Reply(answer, calls_tools=calls and not text)


def _read_json(content: bytes | str) -> dict[str, Any]:
    """Return a reply as JSON has it.

    Raises:
        ValueError: the text is no JSON object.
    """
    text = content if isinstance(content, str) else content.decode("utf-8", "replace")
    if not text.lstrip().startswith(("{", "[")) and _DATA.search(text):
        return _joined(text)
    try:
        reply = json.loads(text)
    except ValueError as error:
        raise ValueError(f"it is no JSON ({error})") from None
    if not isinstance(reply, dict):
        raise ValueError(f"it is no JSON object but {_shown(reply)}")
    return reply


def _joined(stream: str) -> dict[str, Any]:
    """Return the reply whose pieces a stream has, with all text in one choice.

    Raises:
        BrokenOffError: the stream ends before the answer does.
        ValueError: a piece is no JSON object.
    """
    texts: dict[str, list[str]] = {"content": [], "reasoning_content": []}
    choice: dict[str, Any] = {}
    reply: dict[str, Any] = {"choices": [choice]}
    is_done = False
    for piece in _pieces(stream):
        if piece is None:
            is_done = True
            continue
        for field in ("usage", "error"):
            reply[field] = piece.get(field) or reply.get(field)
        for part in piece.get("choices") or ():
            delta = part.get("delta") or part.get("message") or {}
            texts["content"].append(_text(delta.get("content")) or _text(part.get("text")))
            texts["reasoning_content"].append(_reasoning(delta))
            for field in ("finish_reason", "error"):
                choice[field] = part.get(field) or choice.get(field)
            if delta.get("tool_calls"):
                choice["tool_calls"] = delta["tool_calls"]
    if not is_done and not choice.get("finish_reason") and not reply.get("error"):
        raise BrokenOffError("the stream ends before the answer does")
    choice["message"] = {field: "".join(parts) for field, parts in texts.items()}
    choice["message"]["tool_calls"] = choice.pop("tool_calls", None)
    return reply


def _pieces(stream: str) -> Iterator[dict[str, Any] | None]:
    """Yield the pieces of a stream, and None for the mark of its end."""
    for event in _DATA.findall(stream):
        if event.strip() == "[DONE]":
            yield None
            continue
        try:
            piece = json.loads(event)
        except ValueError as error:
            raise ValueError(f"a piece of the stream is no JSON ({error})") from None
        if not isinstance(piece, dict):
            raise ValueError(f"a piece of the stream is no JSON object but {_shown(piece)}")
        yield piece


def _tokens(usage: Any, request: Request, generated: str) -> tuple[int, int]:
    """Return the tokens of prompt and answer; those that are not counted are estimated."""
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
        completion_tokens = _estimate(generated)
    return prompt_tokens, completion_tokens


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
