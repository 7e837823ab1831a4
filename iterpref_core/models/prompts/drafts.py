"""Ask for a draft of a problem, and read the program in the answer.

Every part of the project asks for the same draft in the same way, so that its answer is paid for once.
"""

from iterpref_core.programs.answers.extraction import extract_program
from iterpref_core.programs.source_code.tested_names import tested_names
from iterpref_core.records import CodeflowParams, Problem, derive_seed

from ..inference.backend import Completion, Request, Sampling
from .codeflow_prompts import draft_prompt


def draft_request(problem: Problem, params: CodeflowParams, number: int = 0) -> Request:
    """Return the request for a draft; its seed depends on the run's seed, the problem and the draft's number alone."""
    seed = derive_seed(params.seed, problem.task_id, number)
    return Request(draft_prompt(problem.prompt, params.wording), seed, problem.own_code)


def draft_sampling(params: CodeflowParams) -> Sampling:
    """Return the sampling parameters of CodeFlow, or of sampling in its place."""
    sampled = params.source == "sampling"
    return Sampling(params.sampling.temperature if sampled else params.temperature, params.max_new_tokens)


def drafted_program(problem: Problem, answer: Completion) -> str:
    """Return the program in an answer to a problem; an empty text if there is none."""
    return extract_program(answer.text, problem.entry_point, tested_names(problem.tests)) or ""
