"""Deferred model: a model that is opened when it is first asked."""

import threading
from collections.abc import Callable, Sequence

from iterpref_core.inference.backend import Answered, Completion, Model, Request, Sampling, ignore


class DeferredModel:
    """A model that is opened when it is first asked; where all answers are kept, it never is.

    Args:
        open_model: opens the model; called once, even if that fails.
        in_process: the model computes in this process.
        refused: what an earlier run found the model's server to refuse.
    """

    refusal = ""

    def __init__(
        self,
        open_model: Callable[[], Model],
        *,
        in_process: bool,
        refused: frozenset[str] = frozenset(),
    ) -> None:
        self.in_process = in_process
        self._open = open_model
        self._refused = refused
        self._model: Model | None = None
        self._failure: Exception | None = None
        self._lock = threading.Lock()

    @property
    def refused(self) -> frozenset[str]:
        """Return the names of the parameters that the model's server was found to refuse."""
        return self._refused if self._model is None else self._model.refused

    async def answer(self, request: Request, sampling: Sampling) -> Completion:
        """Answer one request."""
        return await self._opened().answer(request, sampling)

    def generate(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        answered: Answered = ignore,
    ) -> list[Completion]:
        """Answer every request, in order."""
        return self._opened().generate(requests, sampling, answered)

    def _opened(self) -> Model:
        with self._lock:
            # A server that does not start took minutes to say so: many questions at once are not as many attempts.
            if self._failure is not None:
                raise self._failure
            if self._model is None:
                try:
                    self._model = self._open()
                except Exception as failure:
                    self._failure = failure
                    raise
            return self._model
