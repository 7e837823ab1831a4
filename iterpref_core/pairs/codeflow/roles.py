"""Choose the models that draft and refine in a run, and price their answers."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from iterpref_core.models.inference.answer_store import AnswerStore, cost_usd
from iterpref_core.models.inference.backend import Model
from iterpref_core.models.inference.backend_factory import check_model, model_identity, open_model
from iterpref_core.records import Trajectory
from iterpref_core.records.backend_table import BACKENDS
from iterpref_core.records.config import BudgetParams, CodeflowParams, InferenceParams, PromptFormat

NO_CAPS = BudgetParams(calls=None, tokens=None, dollars=None)


@dataclass(frozen=True)
class OpenModels:
    """The models of a run, ready to answer; every answer is stored before it is used.

    Attributes:
        drafter: writes drafts.
        refiner: writes refinements; may be the drafter itself.
    """

    drafter: Model
    refiner: Model


@dataclass(frozen=True)
class Prices:
    """The prices of answers, in dollars per million tokens.

    Attributes:
        prompt: price of prompt tokens.
        completion: price of completion tokens.
        drafts: False if a local model writes the drafts for free.
    """

    prompt: float = 0.0
    completion: float = 0.0
    drafts: bool = True


@dataclass(frozen=True)
class Models:
    """The models of a run.

    Attributes:
        identity: digests of drafter and refiner: models with equal identity give equal answers.
        open: opens the models, given the file of the answers and the name of the run.
        prices: prices of the answers.
    """

    identity: tuple[str, str]
    open: Callable[[Path, str], AbstractContextManager[OpenModels]]
    prices: Prices = Prices()

    def price(self, trajectory: Trajectory) -> float:
        """Return the dollars that the answers in a trajectory cost."""
        prompt_tokens = 0
        completion_tokens = 0
        for attempt in trajectory.attempts:
            if attempt.iteration > 0 or self.prices.drafts:
                prompt_tokens += attempt.prompt_tokens
                completion_tokens += attempt.completion_tokens
        return cost_usd(
            prompt_tokens,
            completion_tokens,
            self.prices.prompt,
            self.prices.completion,
        )


def choose_models(
    student: Path | str,
    debugger: Path | str,
    params: CodeflowParams,
    inference: InferenceParams,
    budget: BudgetParams,
    prompt: PromptFormat | None = None,
    debugger_prompt: PromptFormat | None = None,
    *,
    student_served: bool = False,
) -> Models:
    """Return the models that the parameters describe; a model with both roles is opened once.

    Args:
        student: drafts, if `params.draft_model` is `student`. The student runs in this process, or in a vLLM server
            that the run starts; its answers are free, and no budget limits them.
        debugger: refines, through the backend of `inference`; also drafts, if `params.draft_model` is `debugger`. Not
            opened for sampling from the student.
        params: the loop's settings.
        inference: backend and prices of the debugger.
        budget: caps on the calls, tokens and dollars of the debugger.
        prompt: format of the student's prompts.
        debugger_prompt: format of the debugger's prompts.
        student_served: the student is a name at the debugger's endpoint, and has the same caps of its own.

    Raises:
        InputError: a model or a parameter of `inference` cannot be used.
    """
    prompt = prompt or PromptFormat()
    debugger_prompt = debugger_prompt or PromptFormat()
    # One model in both roles, read in one form, is loaded or served once.
    same_weights = BACKENDS[inference.backend].local and student == debugger and prompt == debugger_prompt
    debugger_drafts = params.draft_model == "debugger" or same_weights
    debugger_needed = debugger_drafts or params.source == "debugging"
    student_settings = inference if student_served else _student_settings(inference)
    if debugger_needed:
        debugger = check_model(debugger, debugger_prompt, inference)
    if not debugger_drafts:
        student = check_model(student, prompt, student_settings)
    # The identities name the run and its stored answers, also for models that are not opened.
    refiner_identity = model_identity(debugger, debugger_prompt, inference)
    drafter: _Asked | None = None
    drafter_identity = refiner_identity
    if not debugger_drafts:
        drafter = _Asked(student, prompt, student_settings, budget if student_served else NO_CAPS)
        drafter_identity = model_identity(student, prompt, student_settings)
    refiner: _Asked | None = None
    prices = Prices()
    if debugger_needed:
        refiner = _Asked(debugger, debugger_prompt, inference, budget)
        prices = Prices(inference.price_prompt, inference.price_completion, drafts=debugger_drafts or student_served)
    opener = partial(_open_models, drafter, refiner)
    return Models((drafter_identity, refiner_identity), opener, prices)


@dataclass(frozen=True)
class _Asked:
    """A model, and how it is asked."""

    model: Path | str
    prompt: PromptFormat
    inference: InferenceParams
    budget: BudgetParams

    @contextmanager
    def open(self, path: Path, run: str) -> Iterator[Model]:
        """Open the model, whose answers go into the store under the name of a run."""
        with (
            AnswerStore(path, run) as store,
            open_model(
                model=self.model,
                prompt=self.prompt,
                inference=self.inference,
                budget=self.budget,
                store=store,
            ) as opened,
        ):
            yield opened


@contextmanager
def _open_models(drafter: _Asked | None, refiner: _Asked | None, path: Path, run: str) -> Iterator[OpenModels]:
    """Open the models of a run: both, or the only one, which then has both roles.

    Args:
        drafter: the student; None where the debugger drafts.
        refiner: the debugger; None for sampling from the student.
        path: the file of the answers.
        run: the name of the run.
    """
    with ExitStack() as stack:
        drafts: Model | None = None
        refines: Model | None = None
        if drafter is not None:
            # A run of its own in the store: the student's answers count for no cap of the debugger.
            drafts = stack.enter_context(drafter.open(path, f"{run}/student"))
        if refiner is not None:
            refines = stack.enter_context(refiner.open(path, run))
        only = drafts or refines
        assert only is not None
        yield OpenModels(drafter=drafts or only, refiner=refines or only)


def _student_settings(inference: InferenceParams) -> InferenceParams:
    """Return the settings for the student: the debugger's backend if it runs weights here, else this process."""
    if BACKENDS[inference.backend].local:
        return inference
    return inference.model_copy(update={"backend": "transformers"})
