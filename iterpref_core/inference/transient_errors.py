"""Transient errors: how a call of a served model can fail in a way that the next one may not."""

from typing import Literal

FaultKind = Literal["rate_limited", "server_error", "timeout", "connection", "cut", "malformed"]


class CallError(Exception):
    """One call failed; the library's own, which no user sees.

    Args:
        kind: `rate_limited` (429), `server_error` (5xx), `timeout`, `connection` (none came about), `cut` (it ended
            before the answer did), `malformed` (an answer that is no JSON, or without choices).
        detail: for people.
    """

    def __init__(self, kind: FaultKind, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind, self.detail = kind, detail

    @property
    def answered(self) -> bool:
        """Whether the server may have made an answer all the same, and billed it."""
        return self.kind in {"timeout", "cut", "malformed"}
