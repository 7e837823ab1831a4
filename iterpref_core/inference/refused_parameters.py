"""Refused parameters: what a server's refusal names, so that the same call is repeated without it.

A refusal only suggests a way to ask. The way is kept, for all further calls, if the server answers a call that was
asked in it.
"""

import re
from typing import Any

OWN_TEMPERATURE = "the model's own temperature"
"""Stands in results.json for the temperature of a model that accepts no other one."""
LEAST_TEMPERATURE = 0.01
"""Is sent for 0 to a server that refuses 0: the likeliest token is then taken but for near ties."""
MAX_STOPS = 4
"""End strings that OpenAI's API takes, and many servers with it."""

NOTES = {
    "max_tokens": "",
    "temperature": OWN_TEMPERATURE,
    "temperature 0": f"temperature {LEAST_TEMPERATURE} for 0",
    "seed": "without a seed",
    "system": "system message in the user's",
    "fifth stop": f"the first {MAX_STOPS} end strings",
    "stop": "without end strings",
    "whole reply": "streamed",
}
"""Names of refused parameters → what is done about each, for a message and the protocol; "" if nobody need know."""

_NO_TEMPERATURE = re.compile(
    r"temperature\W[^.]{0,80}(?:support|permitted|allowed|deprecated|only|unknown|unrecognized|must be 1\b)"
    r"|(?:unsupported|unknown|unrecognized|unexpected|extra|only)[^.]{0,80}temperature|extra_forbidden.*temperature",
    re.IGNORECASE | re.DOTALL,
)
"""The message of a server whose model accepts no temperature, or only its own. OpenAI's reasoning models say:
"'temperature' does not support 0.0 with this model. Only the default (1) value is supported"."""
_NOT_ZERO = re.compile(
    r"temperature\W.{0,80}(?:strictly positive|greater than 0|larger than 0|> ?0(?![.\d]*[1-9])|positive)",
    re.IGNORECASE | re.DOTALL,
)
_NO_SYSTEM = re.compile(
    r"system\W{0,3}(?:role|message|prompt|instruction)|roles?\W.{0,40}system|developer instruction", re.IGNORECASE
)
_STREAM = re.compile(r"\bstream", re.IGNORECASE)


def refused_parameter(said: str, body: dict[str, Any]) -> str | None:
    """Return the name of what a refusal says that a call must not have, or must have; None if it names none.

    Args:
        said: the raw body of the refusal.
        body: the call's.
    """
    text = said.replace("\\", "")
    if "max_tokens" in body and "max_completion_tokens" in text:
        return "max_tokens"
    temperature = body.get("temperature")
    if temperature == 0 and _NOT_ZERO.search(text):
        return "temperature 0"
    if temperature is not None and _NO_TEMPERATURE.search(text):
        return "temperature"
    if "seed" in body and _names("seed", text):
        return "seed"
    if _has_system(body) and _NO_SYSTEM.search(text):
        return "system"
    if "stop" in body and _names("stop", text):
        return "fifth stop" if len(body["stop"]) > MAX_STOPS else "stop"
    if "stream" not in body and _STREAM.search(text):
        return "whole reply"
    return None


def set_parameter(said: str, fields: dict[str, Any]) -> str | None:
    """Return the name of a field that the user has set, and a refusal names; None if it names none."""
    return next((name for name in fields if _names(name, said)), None)


def adapt(body: dict[str, Any], refused: frozenset[str]) -> dict[str, Any]:
    """Return the body of a call in the way that a server takes, in place of everything that it refuses."""
    adapted = dict(body)
    if "max_tokens" in refused:
        adapted["max_completion_tokens"] = adapted.pop("max_tokens")
    if "temperature" in refused:
        del adapted["temperature"]
    elif "temperature 0" in refused:
        adapted["temperature"] = adapted["temperature"] or LEAST_TEMPERATURE
    if "seed" in refused:
        del adapted["seed"]
    if "system" in refused and _has_system(adapted):
        system, first, *rest = adapted["messages"]
        text = f"{system['content']}\n\n{first['content']}"
        adapted["messages"] = [first | {"content": text}, *rest]
    if "stop" in refused:
        adapted.pop("stop", None)
    elif "fifth stop" in refused and "stop" in adapted:
        adapted["stop"] = adapted["stop"][:MAX_STOPS]
    if "whole reply" in refused:
        adapted["stream"] = True
    return adapted


def notes_of(refused: frozenset[str]) -> list[str]:
    """Return what is done about refused parameters, in words."""
    return [note for name, note in NOTES.items() if name in refused and note]


def _names(parameter: str, text: str) -> bool:
    return re.search(rf"\b{re.escape(parameter)}\b", text) is not None


def _has_system(body: dict[str, Any]) -> bool:
    messages: list[dict[str, str]] = body.get("messages") or []
    return bool(messages) and messages[0]["role"] == "system"
