"""Change calls for a server that refuses the usual one.

A refusal only suggests an adaptation. It is kept, for all further calls, if the server answers a call that was made so.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

OWN_TEMPERATURE = "the model's own temperature"
"""The temperature in results.json of a model that accepts only its own."""
LEAST_TEMPERATURE = 0.01
"""Is sent for 0 to a server that refuses 0: the likeliest token is then taken but for near ties."""
MAX_STOPS = 4
"""End strings that OpenAI's API takes, and many servers with it."""
_END_MOST = ("\ndef ", "\nprint(", "\nclass ", "\nif __name__", "\nassert ", "\nassert")
"""The end strings that follow most functions. An end token needs no end string."""

_STOP = r"\bstop\b|stop.?(?:string|sequence|word)"

Body = dict[str, Any]


@dataclass(frozen=True)
class Adaptation:
    """A way to make a call that a server takes.

    Attributes:
        note: the change in words, for a message and the results; "" if users need not know.
        said: a pattern that matches the refusals.
        applies: returns True if the body of a call has what is changed.
        change: returns that body, changed.
    """

    note: str
    said: str
    applies: Callable[[Body], bool]
    change: Callable[[Body], Body]


def _has_system(body: Body) -> bool:
    messages: list[dict[str, str]] = body.get("messages") or []
    return len(messages) > 1 and messages[0]["role"] == "system"


def _without(body: Body, name: str) -> Body:
    return {field: value for field, value in body.items() if field != name}


def _leave_out(field: str, note: str, said: str) -> Adaptation:
    """Return the adaptation that leaves a field out."""
    return Adaptation(note, said, lambda body: field in body, lambda body: _without(body, field))


def _put_system_before_user(body: Body) -> Body:
    system, first, *rest = body["messages"]
    text = f"{system['content']}\n\n{first['content']}"
    return body | {"messages": [first | {"content": text}, *rest]}


def _keep_four_stops(body: Body) -> Body:
    place = {stop: number for number, stop in enumerate(_END_MOST)}
    chosen = sorted(body["stop"], key=lambda stop: place.get(stop, len(place)))
    return body | {"stop": chosen[:MAX_STOPS]}


ADAPTATIONS = {
    "max_tokens": Adaptation(
        "",
        "max_completion_tokens",
        lambda body: "max_tokens" in body,
        lambda body: _without(body, "max_tokens") | {"max_completion_tokens": body["max_tokens"]},
    ),
    # Servers answer: "`temperature` must be strictly positive", or "temperature must be in (0.0, 1.0]".
    "temperature 0": Adaptation(
        f"temperature {LEAST_TEMPERATURE} for 0",
        r"temperature\W.{0,80}(?:positive|(?:greater|larger) than 0|> ?0(?![.\d]*[1-9])|\(0(?:\.0+)?,)",
        lambda body: body.get("temperature") == 0,
        lambda body: body | {"temperature": LEAST_TEMPERATURE},
    ),
    # OpenAI's reasoning models: "'temperature' does not support 0.0 with this model. Only the default (1) value is …"
    "temperature": _leave_out(
        "temperature",
        OWN_TEMPERATURE,
        (
            r"temperature\W[^.]{0,80}(?:support|permitted|allowed|deprecated|only|unknown|unrecognized|must be 1\b)"
            r"|(?:unsupported|unknown|unrecognized|unexpected|extra|only)[^.]{0,80}temperature"
            r"|extra_forbidden.*temperature"
        ),
    ),
    "seed": _leave_out("seed", "without a seed", r"\bseed\b"),
    # "Conversation roles must alternate user/assistant/…": the templates of Gemma and Mistral
    "system": Adaptation(
        "system message in the user's",
        (
            r"system\W{0,3}(?:role|message|prompt|instruction)|roles?\W.{0,40}(?:system|alternate)"
            r"|only user and assistant|developer instruction"
        ),
        _has_system,
        _put_system_before_user,
    ),
    "fifth stop": Adaptation(
        f"{MAX_STOPS} end strings",
        _STOP,
        lambda body: len(body.get("stop", ())) > MAX_STOPS,
        _keep_four_stops,
    ),
    "stop": _leave_out("stop", "without end strings", _STOP),
    "whole reply": Adaptation(
        "streamed",
        r"\bstream",
        lambda body: "stream" not in body,
        lambda body: body | {"stream": True},
    ),
}
"""Name → adaptation, in the order of the trials."""


def suggest(said: str, body: Body) -> str | None:
    """Return the name of the adaptation that a refusal suggests for a call; None if it suggests none.

    Args:
        said: the raw body of the refusal.
        body: the call's.
    """
    text = said.replace("\\", "")
    for name, adaptation in ADAPTATIONS.items():
        if adaptation.applies(body) and re.search(adaptation.said, text, re.IGNORECASE | re.DOTALL):
            return name
    return None


def set_parameter(said: str, fields: Collection[str]) -> str | None:
    """Return the name of a field that the user has set, and a refusal names; None if it names none."""
    return next((name for name in fields if re.search(rf"\b{re.escape(name)}\b", said)), None)


def adapt(body: Body, names: Collection[str]) -> Body:
    """Return the body of a call with these adaptations, where there is something to change."""
    for name, adaptation in ADAPTATIONS.items():
        if name in names and adaptation.applies(body):
            body = adaptation.change(body)
    return body


def notes_of(names: Collection[str]) -> list[str]:
    """Return adaptations in words."""
    return [adaptation.note for name, adaptation in ADAPTATIONS.items() if name in names and adaptation.note]
