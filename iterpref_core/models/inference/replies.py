"""Read replies of OpenAI-compatible endpoints as answers, each with its end.

Servers leave out different fields. Counts may be absent or null. An answer whose content is null or a list of parts may
be empty. A choice without message and text is not an answer. A reply may be a stream, whose pieces are joined; and a
reply that is not a stream may have a stream's comments and marks around it.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from openai._streaming import SSEDecoder

from iterpref_core.records import prompt_text, whole_characters

from .backend import Completion, Request
from .finish_reasons import CUT, FINISHED, end_of

CHARACTERS_PER_TOKEN = 3
"""An estimate, for servers that do not count tokens."""

_REASONING_PARTS = {
    "thinking",
    "reasoning",
    "redacted_thinking",
    "reasoning_content",
    "reasoning_text",
}
_REASONING_FIELDS = ("reasoning_content", "reasoning")
_INSTEAD = ("tool_calls", "function_call", *_REASONING_FIELDS)
"""The fields of a message that may have content instead of an answer."""
_AROUND = re.compile(r"^(?::.*|(?:data:)?[ \t]*\[DONE\][ \t]*)$", re.MULTILINE)
"""A stream's comments, which keep a connection open, and its end; they may surround a reply that is one JSON object."""
_DATA = re.compile(r"^data:", re.MULTILINE)

_ESCAPED = re.compile("[\udc80-\udcff]+")
"""Bytes of split characters, which Python has read as surrogates."""


class ReplyError(ValueError):
    """A reply without an answer.

    Attributes:
        status: the status in its error, or 500; 502 for a reply that states no error.
        tokens: the tokens of prompt and answer that the reply counts.
    """

    def __init__(self, said: str, status: int = 502, tokens: tuple[int, int] = (0, 0)) -> None:
        super().__init__(said)
        self.status = status
        self.tokens = tokens


@dataclass(frozen=True)
class Reply:
    """An answer.

    Attributes:
        answer: the answer.
        instead: the field with the model's text, if the answer itself is empty.
        model: the name of the model that answered; "" if the server gives no name.
        cut_prompt: the number of tokens of the prompt, if it is below the number of its words: the server has cut it.
    """

    answer: Completion
    instead: str = ""
    model: str = ""
    cut_prompt: int | None = None


def read_reply(content: bytes | str, request: Request, limit: int | None = None) -> Reply:
    """Return the answer in a reply, with the tokens that it cost, which are estimated where they are not counted.

    Args:
        content: JSON, or a stream of events.
        request: the request, for estimating the tokens of the prompt.
        limit: the limit of tokens; an answer that has used them all was cut, even if the server denies
            it. None: the server's word counts.

    Raises:
        ReplyError: there is no answer; the message repeats the reason, or names the field.
    """
    reply = _read_json(content)
    usage = _usage(reply.get("usage"))
    # A failed call may have cost tokens.
    spent = (usage.prompt or 0, usage.completion or 0)
    choices = reply.get("choices")
    choice = _first(choices) if isinstance(choices, list) else None
    error = (choice or {}).get("error") or reply.get("error")
    if error:
        code = error.get("code") if isinstance(error, dict) else None
        status = code if isinstance(code, int) and 400 <= code < 600 else 500
        raise ReplyError(f"field 'error': {_shown(error)}", status, spent)
    # Without an answer the reason of the server is shown.
    if choice is None:
        raise ReplyError(f"field 'choices': a list with an answer is expected, not {_shown(choices)}")
    end = end_of(choice.get("finish_reason"))
    if end.startswith("failed"):
        raise ReplyError(f"the answer ends with finish_reason {end.removeprefix('failed: ')}", tokens=spent)
    message = choice.get("message") or choice.get("delta")
    if end == FINISHED and message is None and choice.get("text") is None:
        raise ReplyError("fields 'message' and 'text': one with an answer is expected, not null")
    text = whole_characters(_paired(_text(message) or _text(choice.get("text"))))
    fields = message if isinstance(message, dict) else {}
    if end == FINISHED and limit is not None and usage.towards(limit) >= limit:
        end = CUT
    prompt = prompt_text(request.prompt)
    answer = Completion(
        text,
        _estimate(request.system + prompt) if usage.prompt is None else usage.prompt,
        _estimate(text + _reasoning(message)) if usage.completion is None else usage.completion,
        end,
        estimated=usage.prompt is None or usage.completion is None,
    )
    instead = "" if text.strip() else next((name for name in _INSTEAD if fields.get(name)), "")
    is_cut = usage.prompt is not None and usage.prompt < len(prompt.split())
    return Reply(answer, instead, str(reply.get("model") or ""), usage.prompt if is_cut else None)


def _first(choices: list[Any]) -> dict[str, Any] | None:
    """Return the choice with the lowest index, or the first choice without indices; None for an empty list."""
    found = [choice if isinstance(choice, dict) else {"text": choice} for choice in choices]
    return min(found, key=_index, default=None)


def _index(choice: dict[str, Any]) -> int:
    index = choice.get("index")
    return index if isinstance(index, int) else 0


def _read_json(content: bytes | str) -> dict[str, Any]:
    """Return a reply as JSON has it.

    Raises:
        ReplyError: the text is not a JSON object.
    """
    # Bytes of split characters are kept: a character may be split between two events of a stream.
    text = content if isinstance(content, str) else content.decode("utf-8-sig", "surrogateescape")
    text = re.sub(r"\r\n?", "\n", text)
    bare = _AROUND.sub("", text)
    if _DATA.search(bare) and not bare.lstrip().startswith(("{", "[")):
        return _joined(text)
    return _object(bare, "it")


def _object(text: str, what: str) -> dict[str, Any]:
    """Return the JSON object of a text.

    Raises:
        ReplyError: the text, which the message calls `what`, is not JSON.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ReplyError(f"{what} is no JSON ({error})") from None
    if not isinstance(found, dict):
        raise ReplyError(f"{what} is no JSON object but {_shown(found)}")
    return found


def _joined(stream: str) -> dict[str, Any]:
    """Return the reply whose pieces a stream has, with all text in one choice.

    Raises:
        ReplyError: the stream ends before the answer does, or a piece is not a JSON object.
    """
    text = reasoning = ""
    has_deltas = False
    choice: dict[str, Any] = {}
    tools: Any = None
    reply: dict[str, Any] = {"choices": [choice]}
    # openai's decoder joins the lines of an event and skips comments.
    decoder = SSEDecoder()
    decoded = [decoder.decode(line) for line in [*stream.split("\n"), ""]]
    events = [event.data for event in decoded if event is not None and event.data.strip()]
    pieces = [_object(event, "a piece of the stream") for event in events if event.strip() != "[DONE]"]
    for piece in pieces:
        reply |= {field: piece[field] for field in ("usage", "error", "model") if piece.get(field)}
        # {"object": "error", "message": …} and {"detail": …} are errors without the name.
        if "choices" not in piece and not piece.get("usage"):
            reply.setdefault("error", piece)
        parts = piece.get("choices")
        part = _first(parts) if isinstance(parts, list) else None
        # Of several answers it is the first one; a call asks for one.
        if part is None or _index(part) != 0:
            continue
        choice |= {field: part[field] for field in ("finish_reason", "error") if part.get(field)}
        delta = part.get("delta") or part.get("message") or part.get("text")
        if part.get("delta"):
            has_deltas = True
        elif part.get("message") and has_deltas:
            # The last event of some servers has the whole message once more.
            text = reasoning = ""
        text += _text(delta)
        reasoning += _reasoning(delta)
        if isinstance(delta, dict):
            tools = delta.get("tool_calls") or tools
    # Only [DONE] or a finish_reason proves that the stream is whole.
    is_done = len(pieces) < len(events)
    if not is_done and not choice.get("finish_reason") and not reply.get("error"):
        raise ReplyError("the stream ends before the answer does")
    choice["message"] = {"content": text, "reasoning_content": reasoning, "tool_calls": tools}
    return reply


@dataclass(frozen=True)
class _Usage:
    """The tokens that a server counts, each None if it is not counted.

    Attributes:
        prompt: the tokens of the prompt.
        completion: the tokens of the answer, reasoning included.
        visible: the tokens of the answer that count towards its limit.
        reasoning: the tokens of its reasoning.
    """

    prompt: int | None
    completion: int | None
    visible: int | None
    reasoning: int | None

    def towards(self, limit: int) -> int:
        """Return the tokens that count towards a limit. A count above the limit includes reasoning, which does not."""
        visible = self.visible or 0
        return visible - (self.reasoning or 0) if visible > limit else visible


def _usage(usage: Any) -> _Usage:
    """Return the tokens that a reply counts."""
    counted = usage if isinstance(usage, dict) else {}
    prompt, completion, total = (_count(counted.get(f"{name}_tokens")) for name in ("prompt", "completion", "total"))
    visible = completion
    # Some servers count the prompt and the total alone: {"prompt_tokens": 12, "total_tokens": 40} is 28 for the answer.
    # Gemini counts its reasoning in the total alone: 10, 20 and 110 mean 100 tokens, 20 of them visible.
    if prompt is not None and total is not None and total >= prompt + (completion or 0):
        completion = total - prompt
        visible = completion if visible is None else visible
    details = counted.get("completion_tokens_details")
    return _Usage(
        prompt, completion, visible, _count(details.get("reasoning_tokens") if isinstance(details, dict) else None)
    )


def _paired(text: str) -> str:
    r"""Join the parts of a character that a stream split between two events.

    >>> _paired("\ud83c\udf89"), _paired("\udcf0\udc9f\udc8e\udc89")
    ('🎉', '🎉')
    """
    if text.isascii():
        return text
    joined = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    return _ESCAPED.sub(lambda found: found[0].encode("utf-8", "surrogateescape").decode("utf-8", "replace"), joined)


def _text(content: Any) -> str:
    """Return the text in a content: it may be a text, a part with one, or a list of parts; reasoning is left out."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(map(_text, content))
    if not isinstance(content, dict) or content.get("type") in _REASONING_PARTS:
        return ""
    for field in ("content", "text", "value", "refusal"):
        if content.get(field):
            return _text(content[field])
    return ""


def _reasoning(message: Any) -> str:
    """Return the reasoning that a server sends next to the answer."""
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
