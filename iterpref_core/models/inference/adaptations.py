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
        change: returns the body of a call, changed; the same body if there is nothing to change.
    """

    note: str
    said: str
    change: Callable[[Body], Body]


def _leave_out(field: str, note: str, said: str) -> Adaptation:
    """Return the adaptation that leaves a field out."""
    return Adaptation(note, said, lambda body: {name: value for name, value in body.items() if name != field})


def _rename_limit(body: Body) -> Body:
    return {"max_completion_tokens" if name == "max_tokens" else name: value for name, value in body.items()}


def _put_system_before_user(body: Body) -> Body:
    system, *messages = body.get("messages") or [{}]
    if not messages or system["role"] != "system":
        return body
    text = f"{system['content']}\n\n{messages[0]['content']}"
    return body | {"messages": [messages[0] | {"content": text}, *messages[1:]]}


def _keep_four_stops(body: Body) -> Body:
    stops = body.get("stop", [])
    if len(stops) <= MAX_STOPS:
        return body
    place = {stop: number for number, stop in enumerate(_END_MOST)}
    return body | {"stop": sorted(stops, key=lambda stop: place.get(stop, len(place)))[:MAX_STOPS]}


ADAPTATIONS = {
    "max_tokens": Adaptation("", "max_completion_tokens", _rename_limit),
    # Servers answer: "`temperature` must be strictly positive", or "temperature must be in (0.0, 1.0]".
    "temperature 0": Adaptation(
        f"temperature {LEAST_TEMPERATURE} for 0",
        r"temperature\W.{0,80}(?:positive|(?:greater|larger) than 0|> ?0(?![.\d]*[1-9])|\(0(?:\.0+)?,)",
        lambda body: body | {"temperature": LEAST_TEMPERATURE} if body.get("temperature") == 0 else body,
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
        _put_system_before_user,
    ),
    "fifth stop": Adaptation(f"{MAX_STOPS} end strings", _STOP, _keep_four_stops),
    "stop": _leave_out("stop", "without end strings", _STOP),
    "whole reply": Adaptation("streamed", r"\bstream", lambda body: body | {"stream": True}),
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
        if adaptation.change(body) != body and re.search(adaptation.said, text, re.IGNORECASE | re.DOTALL):
            return name
    return None


def set_parameter(said: str, fields: Collection[str]) -> str | None:
    """Return the name of a field that the user has set, and a refusal names; None if it names none."""
    return next((name for name in fields if re.search(rf"\b{re.escape(name)}\b", said)), None)


def adapt(body: Body, names: Collection[str]) -> Body:
    """Return the body of a call with these adaptations, where there is something to change."""
    for name, adaptation in ADAPTATIONS.items():
        if name in names:
            body = adaptation.change(body)
    return body


def notes_of(names: Collection[str]) -> list[str]:
    """Return adaptations in words."""
    return [adaptation.note for name, adaptation in ADAPTATIONS.items() if name in names and adaptation.note]
