"""Choose the models that draft and refine in a run."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from iterpref_core.models.inference.answer_store import AnswerStore
from iterpref_core.models.inference.backend_factory import check_model, model_identity, open_model
from iterpref_core.models.inference.stored_model import StoredModel
from iterpref_core.records import BACKENDS, BudgetParams, CodeflowParams, InferenceParams, PromptFormat

from .rollouts import Names

NO_CAPS = BudgetParams(calls=None, tokens=None, dollars=None)


@dataclass(frozen=True)
class Models:
    """The models of a run.

    Attributes:
        identity: digests of drafter and refiner: models with equal identity give equal answers.
        open: opens the models, given the file of the answers and the name of the run: the drafting one, and
            the refining one, which may be the same. Every answer is stored before it is used.
        names: the names of drafter and refiner, for the record.
    """

    identity: tuple[str, str]
    open: Callable[[Path, str], AbstractContextManager[tuple[StoredModel, StoredModel]]]
    names: Names = (None, None)


def choose_models(
    student: Path | str,
    debugger: Path | str,
    params: CodeflowParams,
    inference: InferenceParams,
    budget: BudgetParams,
    prompt: PromptFormat,
    debugger_prompt: PromptFormat,
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
    # One model in both roles, read in one form, is loaded or served once.
    same_weights = BACKENDS[inference.backend].local and student == debugger and prompt == debugger_prompt
    debugger_drafts = params.draft_model == "debugger" or same_weights
    debugger_needed = debugger_drafts or params.source == "debugging"
    student_settings = inference
    # Only a backend that runs weights here also runs the student.
    if not (student_served or BACKENDS[inference.backend].local):
        student_settings = inference.model_copy(update={"backend": "transformers"})
    if debugger_needed:
        debugger = check_model(debugger, debugger_prompt, inference)
    if not debugger_drafts:
        student = check_model(student, prompt, student_settings)
    # The identities name the run and its stored answers, also for models that are not opened.
    refiner_identity = model_identity(debugger, debugger_prompt, inference)
    drafter_identity = refiner_identity
    if not debugger_drafts:
        drafter_identity = model_identity(student, prompt, student_settings)

    @contextmanager
    def opened(path: Path, run: str) -> Iterator[tuple[StoredModel, StoredModel]]:
        models: list[StoredModel] = []
        with ExitStack() as stack:
            if not debugger_drafts:
                # A run of its own in the store: the student's answers count for no cap of the debugger.
                store = stack.enter_context(AnswerStore(path, f"{run}/student"))
                caps = budget if student_served else NO_CAPS
                drafter = open_model(student, prompt, student_settings, caps, store)
                models.append(stack.enter_context(drafter))
            if debugger_needed:
                store = stack.enter_context(AnswerStore(path, run))
                refiner = open_model(debugger, debugger_prompt, inference, budget, store)
                models.append(stack.enter_context(refiner))
            # A model alone has both roles.
            yield models[0], models[-1]

    drafter = debugger if debugger_drafts else student
    names = [Path(model).name if Path(model).exists() else str(model) for model in (drafter, debugger)]
    return Models((drafter_identity, refiner_identity), opened, (names[0], names[1]))
