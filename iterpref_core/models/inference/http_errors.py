"""Decide what follows from a call without an answer.

The status decides before the words do: a limit of a minute that names the page of its bill (429, Groq, OpenAI and
Gemini) is not a used-up credit, and "exceeds the maximum number of concurrent requests" is not a prompt that is too
long. Where a status leaves it open, as 400, 403 and 500 do, the words decide. Whether a part of the call is at fault is
not read in words: it is tried (`adaptations`).
"""

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

Action = Literal[
    "repeat", "repeat once", "wait", "pause", "reconnect", "give up the prompt", "end the run", "no credit"
]
"""The consequence of a fault.

`repeat`: the call is repeated, and if that never helps, this prompt has no answer. `reconnect`: as `repeat`, but then
the run ends, since no prompt would have an answer. `wait`: the server is busy: fewer calls are in flight, and if that
never helps, this prompt has no answer. `pause`: the server limits its rate: as `wait`, but then the run ends. `give up
the prompt`: the server will not answer it. `repeat once`: the refusal may pass; if it does not, the prompt is given up.
`end the run`, `no credit`: the server will answer none.
"""

_CREDIT = r"insufficient.?(?:quota|credit|balance|funds)|exceeded_current_quota|billing_(?:hard_limit|not_active)"


class Rule(NamedTuple):
    """A row of the table of faults.

    Attributes:
        action: the consequence.
        statuses: the statuses of the row; empty for all.
        words: a pattern that is found in the body; "" for any.
        form: the server may refuse a part of the call, and answer the prompt in another form.
    """

    action: Action
    statuses: tuple[int, ...] = ()
    words: str = ""
    form: bool = False


RULES = (
    Rule("no credit", (402,)),
    # A gateway in front of a deployment that starts or moves says so with the status of a wrong address.
    Rule(
        "wait",
        (404, 405),
        words=r"no healthy upstream|temporar|scaling up|starting up|\blater\b|try again",
    ),
    # The key, the address or the model's name, or another place: about no prompt.
    Rule("end the run", (401, 404, 405, 407, *range(300, 400))),
    # One prompt is too large, also where the words are about a limit of tokens in a minute.
    Rule("give up the prompt", (413, 414, 431, 451)),
    Rule("give up the prompt", (429,), words=r"(?:request|prompt|input) (?:is )?too large|must be reduced"),
    Rule("no credit", (429,), words=_CREDIT),
    Rule("pause", (429,)),
    Rule("wait", (503, 529)),
    Rule(
        "no credit",
        words=rf"{_CREDIT}|exceeded your current quota|credit balance|out of credits|billing to be enabled",
    ),
    Rule(
        "give up the prompt",
        words=(
            r"context.?(?:length|window|size|limit)|maximum (?:model|input|sequence) length"
            r"|(?:prompt|input|request) (?:is )?too (?:long|large)"
        ),
    ),
    Rule(
        "pause",
        words=r"slow down|rate.?limit|too many requests|throttl|concurrent requests|peak load|(?:per|of a) minute",
    ),
    Rule("give up the prompt", words=r"exceeds? the (?:model's )?(?:maximum|available)", form=True),
    Rule("repeat", (408, 409, 425, *range(501, 600))),
    # A server whose chat template fails answers with 500, and "extraneous key [seed], … try again" is a refused part.
    Rule("repeat", (500,), form=True),
    Rule("repeat", words=r"overloaded|try again|temporar|at capacity|is loading|server is busy", form=True),
    Rule(
        "give up the prompt",
        words=(
            r"flagged|moderation|content.?(?:policy|filter|management)|safety|violat|prohibited|inappropriate"
            r"|must be|invalid|not support|unsupported|unrecognized"
        ),
        form=True,
    ),
    Rule("give up the prompt", (422,), form=True),
    # Gateways pass on their providers' errors with any status: 499, 424, "Provider returned error".
    Rule("repeat once", form=True),
)
"""The table of faults: the first row that fits decides."""


@dataclass(frozen=True)
class Fault:
    """A call without an answer.

    Attributes:
        action: the consequence.
        said: the reason, on one line.
        text: the raw body of a refusal, or "".
        retry_after_s: the seconds that the server asks to wait; 0 if it asks for none.
        form: the server may refuse a part of the call.
        tokens: the tokens of prompt and answer that the call has cost all the same.
    """

    action: Action
    said: str
    text: str = ""
    retry_after_s: float = 0.0
    form: bool = False
    tokens: tuple[int, int] = (0, 0)


def fault_of(status: int, said: str, text: str, retry_after_s: float = 0.0) -> Fault:
    """Return the fault that a status and a body are.

    >>> fault_of(429, "", '{"error": {"message": "per minute … settings/billing"}}').action
    'pause'
    >>> fault_of(400, "", "please slow down").action, fault_of(500, "", "the prompt is too long").action
    ('pause', 'give up the prompt')
    >>> fault_of(500, "", "oops").action, fault_of(403, "", "flagged").action, fault_of(401, "", "no key").action
    ('repeat', 'give up the prompt', 'end the run')
    """
    # The first row that fits decides.
    for rule in RULES:
        if (not rule.statuses or status in rule.statuses) and re.search(rule.words, text, re.IGNORECASE):
            return Fault(rule.action, f"{status} {said}", text, retry_after_s, rule.form)
    raise AssertionError("the last row fits all")
