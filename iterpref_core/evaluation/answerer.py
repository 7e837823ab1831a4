"""Answerer: a model's answers to a benchmark's prompts, kept so that a killed evaluation does not ask twice."""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from iterpref_core.backend_table import BACKENDS
from iterpref_core.config import BudgetParams, EvaluationParams, InferenceParams, PromptFormat
from iterpref_core.evaluation.benchmark import PromptForm, Question
from iterpref_core.inference.backend import REFUSED, Completion, Model, Request, Sampling
from iterpref_core.inference.backend_factory import check_model, model_identity, open_model, precision_of
from iterpref_core.inference.local.checkpoints import is_served
from iterpref_core.inference.stored_model import AnswerStore, answer_key
from iterpref_core.progress import show_progress
from iterpref_core.prompt_messages import Prompt, plain_prompt, prompt_text

logger = logging.getLogger(__name__)

CUT_SHARE = 0.02
"""Answers that may end at `max_new_tokens` without a word; more of them measure brevity."""
OWN_TEMPERATURE = "the model's own temperature"
"""Stands in results.json for the temperature of a model that accepts no other one."""
NO_CAP = BudgetParams(calls=None, tokens=None, dollars=None)


class Answerer:
    """Answers prompts, opening the model only if something is left to answer.

    Args:
        open_model: loads the model, whose answers are kept in `store`; called where something is left to ask.
        identity: what the answers depend on besides prompts and sampling: the model's content.
        store: SQLite file where answers are kept, those of all models in one.
        params: how answers are sampled; one sample of a prompt is greedy, each of several has a seed of its own.
        form: how the model is asked.
        precision: what the model computes in, where it does so in this process.
        fresh: ask again for answers that are kept; those of this process are asked for once.
    """

    def __init__(
        self,
        open_model: Callable[[], Model],
        identity: str,
        store: Path,
        params: EvaluationParams,
        form: PromptForm,
        precision: str | None = None,
        *,
        fresh: bool = False,
    ) -> None:
        self._open, self._identity, self._store = open_model, identity, store
        self._sampling = Sampling(params.temperature if params.samples > 1 else 0.0, params.max_new_tokens)
        self._seed, self._samples = params.seed, params.samples
        self._precision = precision
        self._fresh = fresh
        self._asked: set[bytes] = set()
        self.form = form

    @property
    def sampling(self) -> dict[str, Any]:
        """Return the sampling as it stands in results.json."""
        asked = self._sampling
        described: dict[str, Any] = {"temperature": asked.temperature, "max_new_tokens": asked.max_new_tokens}
        described |= {"seed": self._seed, "samples": self._samples}
        with AnswerStore(self._store, "") as store:
            if store.accepts_own_temperature_alone(self._identity):
                described["temperature"] = OWN_TEMPERATURE
        return described | ({"precision": self._precision} if self._precision else {})

    def answer(
        self,
        benchmark: str,
        questions: Sequence[Question],
        stops: tuple[str, ...] = (),
    ) -> list[list[Completion]]:
        """The model's answers to each question, in order: as many as there are samples; empty to one that is refused.

        Where more than `CUT_SHARE` of them ended at `max_new_tokens`, a warning says what to raise.

        Args:
            benchmark: for the progress bar.
            questions: what it is asked.
            stops: where an answer may end. Behind an endpoint it goes on, since many servers take only four of them.
        """
        wanted = [
            Request(asked.text, self._seed_of(asked.text, number), asked.private, asked.system, asked.verbatim)
            for asked in questions
            for number in range(self._samples)
        ]
        sampling = replace(self._sampling, stops=stops if self.form.frame is not None else ())
        answered = self._kept(benchmark, wanted, sampling)
        different = dict.fromkeys(wanted)
        missing = [request for request in different if request not in answered]
        missing.sort(key=lambda request: len(prompt_text(request.prompt)))
        if missing:
            with show_progress(f"{benchmark}: generate", len(different), done=len(answered)) as advance:
                answered |= zip(missing, self._open().generate(missing, sampling, lambda *_: advance()), strict=True)
        answers = [answered[request] for request in wanted]
        cut = sum(answer.truncated for answer in answers)
        for number, what in (
            (answers.count(REFUSED), "were refused, or withheld from another machine, and are empty"),
            (cut * (cut > CUT_SHARE * len(answers)), "were cut: raise evaluation.max_new_tokens"),
        ):
            if number:
                logger.warning("%s: %s of %s answers %s", benchmark, f"{number:,}", f"{len(answers):,}", what)
        return [answers[start : start + self._samples] for start in range(0, len(answers), self._samples)]

    def _kept(
        self,
        benchmark: str,
        wanted: Sequence[Request],
        sampling: Sampling,
    ) -> dict[Request, Completion]:
        """Return the answers that are kept, and say how many are from earlier; with `fresh` there are none of these."""
        keys = {request: answer_key(self._identity, request, sampling) for request in wanted}
        earlier = [key for key in keys.values() if key not in self._asked]
        self._asked.update(earlier)
        with AnswerStore(self._store, "") as store:
            if self._fresh:
                store.set_aside(earlier)
            kept = {request: store.get(key) for request, key in keys.items()}
        answered = {request: answer for request, answer in kept.items() if answer is not None}
        count = len({keys[request] for request in answered} & set(earlier))
        if count:
            logger.warning(
                "%s: %s of %s answers were kept from earlier; --fresh asks again",
                benchmark,
                f"{count:,}",
                len(keys),
            )
        return answered

    def _seed_of(self, prompt: Prompt, number: int) -> int:
        """Return the seed of a sample. It depends on no other sample, so that a set of samples can grow."""
        if self._samples == 1:
            return self._seed
        digest = hashlib.sha256(json.dumps([self._seed, plain_prompt(prompt), number]).encode()).digest()
        return int.from_bytes(digest[:4], "big") >> 1


@contextmanager
def open_answerer(
    model: Path | str,
    params: EvaluationParams,
    inference: InferenceParams,
    budget: BudgetParams,
    store: Path,
    prompt: PromptFormat | None = None,
    *,
    fresh: bool = False,
) -> Iterator[Answerer]:
    """Open the answerer of a model and yield it.

    Args:
        model: a checkpoint folder, a stage's folder that points at one or at a model behind an endpoint, or a hub id.
        params: sampling, and how a model with weights here is asked.
        inference: how a model behind an endpoint is asked.
        budget: caps on that, over all restarts; a model with weights here has none.
        store: SQLite file where answers are kept.
        prompt: the form in which a model with weights here reads prompts.
        fresh: ask again for answers that are kept.

    Raises:
        InputError: the model or the endpoint cannot be used.
    """
    prompt = prompt or PromptFormat()
    if is_served(model):
        asked, cap, form = inference, budget, PromptForm(instruct=inference.api == "chat")
    else:
        # Scoring samples that exist needs neither torch nor transformers.
        from iterpref_core.inference.local.tokenizers import load_frame

        asked, cap = inference.model_copy(update={"backend": params.backend}), NO_CAP
        model = check_model(model, prompt, asked)
        frame = load_frame(model, prompt)
        form = PromptForm(not frame.plain, frame)
    identity = model_identity(model, prompt, asked)
    with ExitStack() as opened:

        @cache
        def opened_model() -> Model:
            kept = opened.enter_context(AnswerStore(store, f"evaluate {identity}"))
            return opened.enter_context(open_model(model, prompt, asked, cap, kept, params.batch_size))

        precision = precision_of(model, asked)[0] if BACKENDS[asked.backend].in_process else None
        yield Answerer(opened_model, identity, store, params, form, precision, fresh=fresh)
