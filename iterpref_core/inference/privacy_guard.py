"""Privacy guard: prompts made of somebody's own code are looked at before they go to another machine."""

from collections import Counter

from iterpref_core.errors import RefusedError
from iterpref_core.inference.backend import Completion, Endpoint, Request, Sampling
from iterpref_core.inference.concurrent_prompts import ConcurrentEndpoint
from iterpref_core.screening.privacy import reason_to_withhold


class GuardedEndpoint(ConcurrentEndpoint):
    """An endpoint that is never sent a private prompt with a secret or personal data in it.

    Own code is filtered when it becomes problems; what its tests say, and what a program printed, is known only when
    it is about to be sent.

    Args:
        inner: answers.
        concurrency: prompts that `generate` asks at once.
        faults: grows by `withheld_<reason>`.
    """

    def __init__(self, inner: Endpoint, concurrency: int, faults: Counter[str]) -> None:
        self._inner, self.concurrency, self._faults = inner, concurrency, faults

    async def answer(self, request: Request, sampling: Sampling) -> Completion:
        """Answer one request.

        Raises:
            RefusedError: the prompt stays on this machine.
        """
        reason = reason_to_withhold(request.prompt) if request.private else None
        if reason is not None:
            self._faults[f"withheld_{reason}"] += 1
            raise RefusedError(
                f"a prompt from own code is withheld: it seems to hold personal data or a secret ({reason})"
            )
        return await self._inner.answer(request, sampling)
