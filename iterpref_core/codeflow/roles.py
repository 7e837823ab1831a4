"""Model roles: who drafts and who refines in a run, and what their answers cost."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from iterpref_core.config import WITH_WEIGHTS, BudgetParams, CodeflowParams, InferenceParams, PromptFormat
from iterpref_core.inference.backend import Model
from iterpref_core.inference.backend_factory import check_model, model_identity, open_model
from iterpref_core.inference.stored_model import AnswerStore, cost_usd
from iterpref_core.records import Trajectory

NO_CAPS = BudgetParams(calls=None, tokens=None, dollars=None)


@dataclass(frozen=True)
class Opened:
    """Models that are ready; what they answer is kept before it is used. `faults`: failed calls by kind, growing."""

    drafter: Model
    refiner: Model
    faults: Mapping[str, int] = field(default_factory=Counter)


@dataclass(frozen=True)
class Prices:
    """Dollars per million tokens; `drafts`: whether drafts are billed as refinements are."""

    prompt: float = 0.0
    completion: float = 0.0
    drafts: bool = True


@dataclass(frozen=True)
class Models:
    """The models of a run.

    Attributes:
        identity: stands for drafter and refiner: equal identity, equal answers.
        open: given the file of the answers and the name of the run, the models.
        prices: of their answers.
    """

    identity: tuple[str, str]
    open: Callable[[Path, str], AbstractContextManager[Opened]]
    prices: Prices = Prices()

    def price(self, trajectory: Trajectory) -> float:
        """Dollars for the answers in a trajectory."""
        billed = [attempt for attempt in trajectory.attempts if attempt.iteration > 0 or self.prices.drafts]
        asked, answered = (
            sum(answer.prompt_tokens for answer in billed),
            sum(answer.completion_tokens for answer in billed),
        )
        return cost_usd(asked, answered, self.prices.prompt, self.prices.completion)


def choose_models(
    student: Path | str,
    debugger: Path | str,
    params: CodeflowParams,
    inference: InferenceParams,
    budget: BudgetParams,
    prompt: PromptFormat | None = None,
    debugger_prompt: PromptFormat | None = None,
) -> Models:
    """The models that the parameters describe; where one does it all, or nothing is refined, one alone is opened.

    Args:
        student: drafts, unless `params.draft_model` says otherwise. It runs here, or in a vLLM server of the run's own;
            its answers cost nothing and are under no budget.
        debugger: refines, and is asked as `inference` says; sampling does without, unless it drafts.
        params: the loop's settings.
        inference: backend, prices.
        budget: caps on what is asked of the debugger.
        prompt: the form in which the student reads prompts.
        debugger_prompt: that of the debugger.

    Raises:
        InputError: a model or a parameter of `inference` cannot be used.
    """
    prompt = prompt or PromptFormat()
    debugger_prompt = debugger_prompt or PromptFormat()
    # Loaded or served once.
    one_model = inference.backend in WITH_WEIGHTS and (student, prompt) == (debugger, debugger_prompt)
    drafts_itself = params.draft_model == "debugger" or one_model
    student_settings = _of_student(inference)
    if drafts_itself or params.source == "debugging":
        debugger = check_model(debugger, debugger_prompt, inference)
    if not drafts_itself:
        student = check_model(student, prompt, student_settings)
    refiner_identity = model_identity(debugger, debugger_prompt, inference)
    drafter_identity = refiner_identity if drafts_itself else model_identity(student, prompt, student_settings)

    @contextmanager
    def opened(path: Path, run: str) -> Iterator[Opened]:
        faults: Counter[str] = Counter()
        with ExitStack() as stack:
            asked: list[Model] = []
            if not drafts_itself:
                store = stack.enter_context(AnswerStore(path, f"{run}/student"))
                model = open_model(student, prompt, student_settings, NO_CAPS, store, params.concurrency, faults)
                asked.append(stack.enter_context(model))
            if drafts_itself or params.source == "debugging":
                store = stack.enter_context(AnswerStore(path, run))
                model = open_model(debugger, debugger_prompt, inference, budget, store, params.concurrency, faults)
                asked.append(stack.enter_context(model))
            yield Opened(asked[0], asked[-1], faults)

    prices = Prices(inference.price_prompt, inference.price_completion, drafts=drafts_itself)
    if params.source == "sampling" and not drafts_itself:
        prices = Prices()
    return Models((drafter_identity, refiner_identity), opened, prices)


def _of_student(inference: InferenceParams) -> InferenceParams:
    """Return how the student is asked: in this process, or by vLLM where that is the backend."""
    if inference.backend == "vllm":
        return inference
    return inference.model_copy(update={"backend": "transformers"})
