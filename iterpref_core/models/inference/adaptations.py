"""Change calls for a server that refuses the usual one.

No words decide what a server refuses, since each server has its own: a refused call is made again with one part after
the other changed, and the change of the call that is answered is kept for all further calls. The words of a refusal
only order the changes.
"""

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

Body = dict[str, Any]


@dataclass(frozen=True)
class Adaptation:
    """A way to make a call that a server takes.

    Attributes:
        note: the change in words, for a message and the results; "" if users need not know.
        words: words of refusals that probably mean this part of a call.
        change: returns the body of a call, changed; the same body if there is nothing to change.
    """

    note: str
    words: tuple[str, ...]
    change: Callable[[Body], Body]

    def is_named(self, said: str) -> bool:
        """Return True if a refusal has one of the words."""
        return any(word in said.lower() for word in self.words)


def _leave_out(field: str, note: str) -> Adaptation:
    """Return the adaptation that leaves a field out."""
    return Adaptation(note, (field,), lambda body: {name: value for name, value in body.items() if name != field})


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
    "seed": _leave_out("seed", "without a seed"),
    "temperature 0": Adaptation(
        f"temperature {LEAST_TEMPERATURE} for 0",
        ("temperature",),
        lambda body: body | {"temperature": LEAST_TEMPERATURE} if body.get("temperature") == 0 else body,
    ),
    "temperature": _leave_out("temperature", OWN_TEMPERATURE),
    # "Conversation roles must alternate user/assistant/…": the templates of Gemma and Mistral
    "system": Adaptation("system message in the user's", ("system", "role"), _put_system_before_user),
    "fifth stop": Adaptation(f"{MAX_STOPS} end strings", ("stop",), _keep_four_stops),
    "stop": _leave_out("stop", "without end strings"),
    "max_tokens": Adaptation("", ("max_tokens", "max_completion_tokens"), _rename_limit),
    "whole reply": Adaptation("streamed", ("stream",), lambda body: body | {"stream": True}),
}
"""Name → adaptation, in the order of the trials: what changes answers least comes first."""


def applicable(body: Body) -> set[str]:
    """Return the names of the adaptations that change a call."""
    return {name for name, adaptation in ADAPTATIONS.items() if adaptation.change(body) != body}


def next_trial(said: str, left: Collection[str]) -> str:
    """Return the adaptation to try next: of the rest the first that the refusal names, else the first.

    >>> next_trial("no end strings: stop", {"seed", "stop"}), next_trial("E1007", {"stop", "seed"})
    ('stop', 'seed')
    """
    in_order = [name for name in ADAPTATIONS if name in left]
    return next((name for name in in_order if ADAPTATIONS[name].is_named(said)), in_order[0])


def adapt(body: Body, names: Collection[str]) -> Body:
    """Return the body of a call with these adaptations, where there is something to change."""
    for name, adaptation in ADAPTATIONS.items():
        if name in names:
            body = adaptation.change(body)
    return body


def notes_of(names: Collection[str]) -> list[str]:
    """Return adaptations in words."""
    return [adaptation.note for name, adaptation in ADAPTATIONS.items() if name in names and adaptation.note]
