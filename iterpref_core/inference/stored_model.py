"""Stored model: each call from beginning to end: look up, guard, reserve, call, settle, store."""

from collections import Counter
from collections.abc import Sequence

from iterpref_core.errors import RefusedError
from iterpref_core.inference.answer_store import AnswerStore, answer_key
from iterpref_core.inference.backend import Answered, Completion, Model, Request, Sampling, ServedModel, ignore
from iterpref_core.inference.budget import Budget


class StoredModel(ServedModel):
    """A model that is asked only for what the store does not hold; every answer is on disk before it is used.

    Args:
        inner: answers the rest.
        identity: what the answers depend on besides prompt and sampling.
        store: keeps them; None: they are not kept.
        budget: caps; None: there are none.
        concurrency: prompts that are asked at once of a model that is served.
        guarded: the model is on another machine, and is never sent a private prompt with a secret or personal data in
            it. (Own code is filtered when it becomes problems; what its tests say is known only now.)
        faults: grows by `withheld_<reason>`.
    """

    def __init__(
        self,
        inner: Model,
        identity: str,
        store: AnswerStore | None,
        budget: Budget | None = None,
        *,
        concurrency: int = 64,
        guarded: bool = False,
        faults: Counter[str] | None = None,
    ) -> None:
        self._inner, self._identity, self._store, self._budget = inner, identity, store, budget
        self.in_process, self.concurrency = inner.in_process, concurrency
        self._guarded, self._faults = guarded, Counter[str]() if faults is None else faults

    async def answer(self, request: Request, sampling: Sampling) -> Completion:
        """Answer one request.

        Raises:
            RefusedError: the model will not answer it, or it stays on this machine.
            BudgetError: a cap is reached.
        """
        known = self._look_up(request, sampling)
        if known is not None:
            return known
        self._guard(request)
        if self._budget:
            self._budget.reserve()
        answer = None
        try:
            answer = await self._inner.answer(request, sampling)
        finally:
            self._settle(request, sampling, answer)
        return answer

    def generate(
        self, requests: Sequence[Request], sampling: Sampling, answered: Answered = ignore
    ) -> list[Completion]:
        """Answer every request, in order; equal ones are asked once.

        Raises:
            BudgetError: a cap is reached; by a batch of a model in this process, before it is begun.
        """
        if not self.in_process:
            return super().generate(requests, sampling, answered)
        places: dict[Request, list[int]] = {}
        for place, request in enumerate(requests):
            places.setdefault(request, []).append(place)
        found: dict[int, Completion] = {}

        def put(request: Request, answer: Completion) -> None:
            for place in places[request]:
                found[place] = answer
                answered(place, answer)

        missing = []
        for request in places:
            known = self._look_up(request, sampling)
            if known is None:
                missing.append(request)
            else:
                put(request, known)

        def ended(place: int, answer: Completion) -> None:
            self._settle(missing[place], sampling, answer)
            put(missing[place], answer)

        if missing:
            if self._budget:
                self._budget.reserve(len(missing))
            self._inner.generate(missing, sampling, ended)
        return [found[place] for place in range(len(requests))]

    def _look_up(self, request: Request, sampling: Sampling) -> Completion | None:
        return self._store.get(answer_key(self._identity, request, sampling)) if self._store else None

    def _guard(self, request: Request) -> None:
        if not (self._guarded and request.private):
            return
        from iterpref_core.screening.privacy import reason_to_withhold  # what finds secrets takes a while to import

        if reason := reason_to_withhold(request.prompt):
            self._faults[f"withheld_{reason}"] += 1
            raise RefusedError(
                f"a prompt from own code is withheld: it seems to hold personal data or a secret ({reason})"
            )

    def _settle(self, request: Request, sampling: Sampling, answer: Completion | None) -> None:
        if self._budget:
            self._budget.settle(answer)
        if self._store and answer is not None:
            self._store.put(answer_key(self._identity, request, sampling), answer, self._identity, request)
