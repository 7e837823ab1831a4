"""Collect a model's answers to a benchmark's prompts, and keep them so that a killed evaluation does not ask twice."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from iterpref_core.models.inference.adaptations import LEAST_TEMPERATURE, OWN_TEMPERATURE, notes_of
from iterpref_core.models.inference.answer_store import AnswerStore, Spent
from iterpref_core.models.inference.backend import QUIET_SHARE, Completion, Request, Sampling, ask_all
from iterpref_core.models.inference.backend_factory import (
    check_model,
    model_identity,
    names_served,
    open_model,
    precision_of,
)
from iterpref_core.models.inference.finish_reasons import check_answered, describe_missing
from iterpref_core.models.inference.stored_model import StoredModel
from iterpref_core.models.pretrained.checkpoints import is_served
from iterpref_core.records import (
    BACKENDS,
    BENCHMARKS,
    BudgetParams,
    EvaluationParams,
    InferenceParams,
    Params,
    PromptFormat,
    TokenCounts,
    derive_seed,
    prompt_text,
)
from iterpref_core.storage.progress import show_progress

from ..benchmarks.benchmark import Benchmark, BenchmarkPrompt, PromptMode

logger = logging.getLogger(__name__)

SEVERAL_TEMPERATURE = 0.2
"""The temperature of several samples, without `evaluation.temperature`: LiveCodeBench's."""
NO_CAP = BudgetParams(calls=None, tokens=None, dollars=None)


@dataclass(frozen=True)
class Answers:
    """A model's answers to a benchmark.

    Attributes:
        by_task: (task, answer), in order: one for each sample of each task. Answers may be missing.
        mode: the mode of the questions.
        about: `sampling`, how the model was asked, `tokens` of all answers and their price `cost_usd`, as results.json
            has them. A model of this machine has no price.
    """

    by_task: Sequence[tuple[Any, Completion]]
    mode: PromptMode
    about: Mapping[str, Any]


@dataclass(frozen=True)
class Sampler:
    """A model that answers a benchmark's prompts.

    Attributes:
        model: keeps its answers, and is opened for the first answer that is not kept.
        params: how answers are sampled; each of several samples of a prompt has a seed of its own.
        mode: how the model is asked.
        precision: the model's data type, such as `bfloat16`, if it computes in this process.
        endpoint: the parameters of a model at an endpoint; None for a model of this machine.
        fresh: ask again for the answers that earlier processes kept.
    """

    model: StoredModel
    params: EvaluationParams
    mode: PromptMode
    precision: str | None = None
    endpoint: InferenceParams | None = None
    fresh: bool = False

    @property
    def temperature(self) -> float:
        """Return the temperature of `params`; without one, a single sample is greedy: a score without chance."""
        if self.params.temperature is not None:
            return self.params.temperature
        return 0.0 if self.params.samples == 1 else SEVERAL_TEMPERATURE

    def _describe(self, max_new_tokens: int) -> dict[str, Any]:
        """Return the sampling as results.json has it."""
        described: dict[str, Any] = {
            "temperature": self.temperature,
            "max_new_tokens": max_new_tokens,
            "seed": self.params.seed,
            "samples": self.params.samples,
        }
        if "temperature" in self.model.adapted:
            described["temperature"] = OWN_TEMPERATURE
        elif "temperature 0" in self.model.adapted:
            described["temperature"] = self.temperature or LEAST_TEMPERATURE
        if self.precision:
            described["precision"] = self.precision
        if self.endpoint and self.endpoint.request_fields:
            described["request"] = dict(self.endpoint.request_fields)
        if adaptations := notes_of(self.model.adapted):
            described["adaptations"] = adaptations
        return described

    def answer(self, benchmark: Benchmark[Any]) -> Answers:
        """Return the answers to a benchmark's tasks. Some may be missing.

        If more than `QUIET_SHARE` of them ended at `max_new_tokens`, a warning names the parameter to raise. Where a
        prompt opens reasoning, the answer begins with the tag that opens it.

        Raises:
            DataUnavailableError: the benchmark has no prompt for this kind of model.
            UnansweredError: no prompt was answered.
            EndpointError: none was, since all calls failed.
        """
        requests = []
        for task in benchmark.tasks.values():
            prompt = benchmark.prompt(task, self.mode)
            # Every sample has a request of its own, with its own seed.
            for number in range(self.params.samples):
                requests.append((task, prompt, self._request(prompt, number)))
        # A chat model at an endpoint ends its answer by itself.
        is_chat_endpoint = self.mode.instruct and self.mode.template is None
        stops = () if is_chat_endpoint else benchmark.stops(self.mode)
        limit = self.params.max_new_tokens or BENCHMARKS.get(benchmark.name, BENCHMARKS["heldout"]).max_new_tokens
        sampling = Sampling(self.temperature, limit, stops=stops)
        # The bill is of this benchmark alone.
        self.model.bill = Spent()
        answered = self._ask(benchmark.name, [request for _, _, request in requests], sampling)
        by_task = []
        for (task, prompt, _), answer in zip(requests, answered, strict=True):
            by_task.append((task, replace(answer, text=prompt.opened + answer.text)))
        _tell(benchmark.name, answered)
        bill = self.model.bill
        tokens = TokenCounts(
            prompt=bill.prompt_tokens,
            completion=bill.completion_tokens,
            per_answer=sum(answer.completion_tokens for answer in answered) / len(answered),
            estimated=bill.estimated or None,
        )
        about = {"sampling": self._describe(limit), "tokens": tokens}
        prices = self.endpoint
        if prices is not None and (prices.price_prompt or prices.price_completion):
            about["cost_usd"] = self.model.cost_usd
        return Answers(by_task, self.mode, about)

    def _request(self, prompt: BenchmarkPrompt, number: int) -> Request:
        """Return the request for a sample. Its seed depends on no other sample, so that a set of samples can grow."""
        seed = self.params.seed
        if self.params.samples > 1:
            seed = derive_seed(seed, prompt_text(prompt.text), number)
        return Request(prompt.text, seed, prompt.private, prompt.system, prompt.raw)

    def _ask(
        self,
        benchmark: str,
        requests: Sequence[Request],
        sampling: Sampling,
    ) -> list[Completion]:
        """Return the answer to each request, kept or new, and log how many an earlier process has kept."""
        if self.fresh:
            self.model.forget_earlier(requests, sampling)
        # Count the answers that an earlier process has kept.
        before = self.model.kept
        with show_progress(f"{benchmark}: generate", len(requests)) as advance:
            answers = ask_all(self.model, requests, sampling, lambda *_: advance())
        if kept := self.model.kept - before:
            shares = f"{kept:,} of {len(set(requests)):,}"
            logger.warning("%s: %s answers were kept from earlier; --fresh asks again", benchmark, shares)
        return answers


def _tell(benchmark: str, answers: Sequence[Completion]) -> None:
    """Log how many answers are missing, and how many were cut if they are many.

    Raises:
        UnansweredError: no prompt was answered.
        EndpointError: none was, since all calls failed.
    """
    total = len(answers)
    missing = [answer.missing for answer in answers if answer.missing]
    check_answered(missing, total, benchmark)
    if missing:
        logger.warning("%s: %s; the same command asks for them again", benchmark, describe_missing(missing, total))
    truncated = sum(answer.truncated for answer in answers)
    if truncated > QUIET_SHARE * total:
        shares = f"{truncated:,} of {total:,}"
        logger.warning("%s: %s answers were cut: raise evaluation.max_new_tokens", benchmark, shares)


@contextmanager
def open_sampler(
    model: Path | str,
    params: Params,
    store: Path,
    prompt: PromptFormat | None = None,
    *,
    fresh: bool = False,
) -> Iterator[Sampler]:
    """Open the sampler of a model and yield it.

    Args:
        model: a checkpoint folder, a stage's folder that points at one or at a served model, a hub id, or the
            name of a model at the endpoint of `inference`.
        params: sampling; how a model with weights here is asked, or one at an endpoint, which alone has the caps of
            `budget`.
        store: SQLite file where answers are kept.
        prompt: the format of prompts, for a model on this machine.
        fresh: ask again for answers that are kept.

    Raises:
        InputError: the model or the endpoint cannot be used.
    """
    prompt = prompt or PromptFormat()
    endpoint = None
    inference = params.inference
    if is_served(model) or names_served(model, inference.backend):
        endpoint = inference
        cap = params.budget
        mode = PromptMode(instruct=inference.api == "chat")
    else:
        # Scoring samples that exist needs neither torch nor transformers.
        from iterpref_core.models.pretrained.tokenizers import load_chat_template

        here = {"backend": params.evaluation.backend, "concurrency": params.evaluation.batch_size}
        inference = inference.model_copy(update=here)
        cap = NO_CAP
        model = check_model(model, prompt, inference)
        # Another engine than a checkpoint's renders prompts itself, as an endpoint does.
        template = load_chat_template(model, prompt) if BACKENDS[inference.backend].checkpoint else None
        mode = PromptMode(template is None or not template.plain, template)
    precision = None
    if BACKENDS[inference.backend].in_process and BACKENDS[inference.backend].checkpoint:
        precision, _ = precision_of(model, inference)
    identity = model_identity(model, prompt, inference)
    with (
        AnswerStore(store, f"evaluate {identity} on {', '.join(params.evaluation.benchmarks)}") as kept,
        open_model(model=model, prompt=prompt, inference=inference, budget=cap, store=kept) as opened,
    ):
        yield Sampler(opened, params.evaluation, mode, precision, endpoint, fresh=fresh)
