"""Faults: calls without an answer, their reasons and their consequences.

One table for statuses and words: servers send a used-up quota as 429, a long prompt as 500, and a pause as 400.
"""

import re
from dataclasses import dataclass
from typing import Literal

Then = Literal["repeat", "pause", "reconnect", "give up the prompt", "end the run"]
"""The consequence of a fault.

`repeat`: the call is repeated, and if that never helps, this prompt has no answer. `pause`: all calls wait before.
`reconnect`: as `repeat`, but if it never helps, the run ends, since no prompt would have an answer. `give up the
prompt`: the server will not answer it. `end the run`: the server will answer none.
"""

_NO_CREDIT = re.compile(
    r"insufficient.?(?:quota|credit|balance|funds)|exceeded your current quota|billing|credit balance|out of credits",
    re.IGNORECASE,
)
_TOO_LONG = re.compile(
    r"context.?(?:length|window|size)|maximum (?:model|input|sequence) length|(?:prompt|input|request) is too long"
    r"|exceeds? the (?:model's )?(?:maximum|available)",
    re.IGNORECASE,
)
_SLOW = re.compile(r"slow down|rate.?limit|too many requests|throttl", re.IGNORECASE)
_PASSING = re.compile(r"overloaded|try again|temporar|at capacity|is loading|server is busy", re.IGNORECASE)
_REPEATED = {408, 409, 425}
"""Status codes, besides those of a server's own errors, after which a call is repeated."""
_FOR_ALL = {401, 402, 404, 405, 407}
"""Status codes that are about no prompt: the key, the credit, the address or the model's name."""


@dataclass(frozen=True)
class Fault:
    """A call without an answer.

    Attributes:
        then: the consequence.
        said: the reason, on one line.
        text: the body of a refusal as it came; "" where there is none.
        retry_after: the server's header of this name.
        no_credit: the account has no credit left.
    """

    then: Then
    said: str
    text: str = ""
    retry_after: str | None = None
    no_credit: bool = False


def fault_of(status: int, said: str, text: str, retry_after: str | None = None) -> Fault:
    """Return the fault that a status and a body are.

    >>> fault_of(400, "", "please slow down").then, fault_of(500, "", "the prompt is too long").then
    ('pause', 'give up the prompt')
    >>> fault_of(500, "", "oops").then, fault_of(403, "", "flagged").then, fault_of(401, "", "no key").then
    ('repeat', 'give up the prompt', 'end the run')
    """
    no_credit = status == 402 or _NO_CREDIT.search(text) is not None
    then: Then = "give up the prompt"
    if no_credit or status in _FOR_ALL or 300 <= status < 400:
        then = "end the run"
    elif _TOO_LONG.search(text):
        then = "give up the prompt"
    elif status == 429 or _SLOW.search(text):
        then = "pause"
    elif status in _REPEATED or not 400 <= status < 500 or _PASSING.search(text):
        then = "repeat"
    return Fault(then, f"{status} {said}", text, retry_after, no_credit)
