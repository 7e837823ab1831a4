"""Method costs at other sizes: tokens, dollars, GPU-hours and disk, from counts that were published.

Training is `training_estimate.py`'s. CodeFlow is counted: how many problems, how many calls each, how long these are.
What is assumed stands in `Assumptions`, each number with where it comes from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from iterpref_core.config import TrainingParams
from iterpref_core.inference.budget import cost_usd
from iterpref_core.objectives.objectives import OBJECTIVES
from iterpref_core.training.model_shape import ModelShape, read_shape
from iterpref_core.training.published_models import published_models
from iterpref_core.training.training_estimate import (
    ACCELERATORS,
    PRECISIONS,
    Accelerator,
    Estimate,
    Setting,
    estimate_training,
)
from iterpref_core.training.workload import CHARACTERS_PER_TOKEN, PairLengths, measure_workload

CARDS = (1, 2, 4, 8, 16, 32, 64)
MODELS = ("Qwen2.5-Coder-1.5B", "Qwen2.5-Coder-7B", "Qwen2.5-Coder-32B", "Llama-3.1-70B")
H100: Accelerator = next(card for card in ACCELERATORS if card.name.startswith("H100"))

WRONG_TOKENS = 13
"""One line of about 40 characters."""

BATCH = 128
"""Pairs an optimizer step, the paper's."""

_CHECKPOINTS = 2
"""Kept to resume from (`save_total_limit` of the trainer)."""
_ATTEMPT_BYTES, _PAIR_BYTES, _SPAN_BYTES, _ANSWER_BYTES, _TEST_BYTES = 140, 75, 100, 330, 1000
"""Of a record besides its texts: keys, digests, indices; of a problem its tests. Measured on two experiments."""


@dataclass(frozen=True)
class Lengths:
    """Mean lengths in characters. `feedback`: what a test says about a failing program."""

    prompt: float
    program: float
    feedback: float
    characters_per_token: float = CHARACTERS_PER_TOKEN


@dataclass(frozen=True)
class Assumptions:
    """What is not computed.

    Attributes:
        pass_rates: by iteration, from the draft on. The paper's figure 6.
        pairs_per_problem: 59,000 pairs of about 157,000 instructions. The paper's.
        lengths: of the one example in the readme.md of the authors' code; the feedback's is guessed.
        price_prompt, price_completion: dollars a million tokens. About what DeepSeek-V3's API cost in 2025.
        gpu_hour: dollars. About what an H100 was let for in 2025.
        mfu: share of a card's dense bf16 peak that training reaches. A guess.
        generation_mfu: the same while models answer in large batches. A guess.
        program_s: CPU seconds of one program with its tests. A guess; a trivial one takes 0.004 (docs/execution.md).
        programs_evaluated: of one model on all benchmarks, one sample each: HumanEval 164, MBPP 378, BigCodeBench
            Complete and Instruct 1,140 each, LiveCodeBench 880.
    """

    pass_rates: tuple[float, ...] = (0.367, 0.547, 0.615, 0.646, 0.663, 0.675)
    pairs_per_problem: float = 59 / 157
    lengths: Lengths = Lengths(prompt=2300, program=1350, feedback=600)
    price_prompt: float = 0.27
    price_completion: float = 1.10
    gpu_hour: float = 2.5
    mfu: float = Setting.mfu
    generation_mfu: float = 0.1
    program_s: float = 0.1
    programs_evaluated: int = 164 + 378 + 2 * 1140 + 880


@dataclass(frozen=True)
class Generation:
    """CodeFlow: calls, tokens, dollars, CPU-hours of executing programs, bytes of data on disk."""

    problems: int
    calls: int
    prompt_tokens: int
    completion_tokens: int
    dollars: float
    cpu_hours: float
    disk: int


@dataclass(frozen=True)
class Scaled:
    """Training and evaluation of one model: cards it needs, GPU-hours, dollars, bytes on disk.

    `reference_copy`: bytes of the whole model, which every card holds while it scores the reference before training.
    """

    model: str
    pairs: int
    gpus: int
    reference_copy: int
    training: Estimate
    training_hours: float
    evaluation_hours: float
    dollars: float
    disk: int


def calls_per_problem(pass_rates: Sequence[float]) -> float:
    """A draft, and a refinement for every version but the last that fails.

    >>> calls_per_problem([0.5, 0.75, 1.0])
    1.75
    """
    return 1 + sum(1 - before for before, _ in pairwise(pass_rates))


def scale_generation(problems: int, assumed: Assumptions, pairs: int) -> Generation:
    """What CodeFlow takes for so many problems, of which so many become pairs."""
    length = assumed.lengths
    calls = problems * calls_per_problem(assumed.pass_rates)
    refinements = calls - problems
    refined = length.prompt + length.program + length.feedback
    prompts = problems * length.prompt + refinements * refined
    tokens = prompts / length.characters_per_token, calls * length.program / length.characters_per_token
    problem = length.prompt + length.program + _TEST_BYTES
    attempts = calls * (length.program + _ATTEMPT_BYTES) + refinements * length.feedback
    answers = prompts + calls * (length.program + _ANSWER_BYTES)
    pair = length.prompt + 2 * length.program + _PAIR_BYTES + _SPAN_BYTES
    return Generation(
        problems=problems,
        calls=round(calls),
        prompt_tokens=round(tokens[0]),
        completion_tokens=round(tokens[1]),
        dollars=cost_usd(*tokens, assumed.price_prompt, assumed.price_completion),
        cpu_hours=calls * assumed.program_s / 3600,
        disk=round(problems * problem + attempts + answers + pairs * pair),
    )


def assumed_pair(length: Lengths) -> PairLengths:
    """A pair with one wrong line in the middle of its program, in tokens."""
    prompt, program = (round(chars / length.characters_per_token) for chars in (length.prompt, length.program))
    shared = program // 2
    return PairLengths(prompt, program + 1, program + 1, shared, WRONG_TOKENS, shared + WRONG_TOKENS)


def as_in_the_paper(params: TrainingParams) -> TrainingParams:
    """The paper's epochs, batch and lengths, every parameter, one pair at once on a card, layout `fork`."""
    return params.model_copy(
        update={
            "epochs": 3, "batch_size": BATCH, "micro_batch_size": 1, "gradient_checkpointing": True, "lora_rank": 0,
            "layout": "fork", "max_length": 2048, "max_prompt_length": 1024, "nll": "sum", "validation_share": 0.0,
        }
    )  # fmt: skip


def scale_training(model: str, shape: ModelShape, pairs: int, params: TrainingParams, assumed: Assumptions) -> Scaled:
    """Training as the paper does it on the fewest H100 that hold the model, and evaluating base and result.

    Raises:
        ValueError: no number of cards in `CARDS` holds it.
    """
    pair = assumed_pair(assumed.lengths)
    objective = OBJECTIVES["target-rpo"]
    workload = measure_workload([pair] * BATCH, objective, params)
    for gpus in CARDS:
        found = estimate_training(shape, workload, objective, params, Setting("mixed", gpus, 0, assumed.mfu), pairs)
        if found.fits(H100):
            break
    else:
        raise ValueError(f"{model}: does not fit on {CARDS[-1]} cards")
    tokens = 2 * assumed.programs_evaluated * (pair.prompt + pair.chosen - 1)
    evaluation = 2 * shape.parameters * tokens / (H100.flops * assumed.generation_mfu) / 3600
    training = found.gpu_hours(H100)
    mixed = PRECISIONS["mixed"]
    checkpoint = (mixed.weights + mixed.optimizer) * shape.parameters
    return Scaled(
        model=model,
        pairs=pairs,
        gpus=gpus,
        reference_copy=mixed.weights * shape.parameters,
        training=found,
        training_hours=training,
        evaluation_hours=evaluation,
        dollars=(training + evaluation) * assumed.gpu_hour,
        disk=_CHECKPOINTS * checkpoint + 2 * mixed.weights * shape.parameters + found.reference_cache,
    )


def scale(
    pairs: Sequence[int], params: TrainingParams, assumed: Assumptions
) -> tuple[dict[int, Generation], list[Scaled]]:
    """CodeFlow by number of pairs, and training by model and number of pairs."""
    paper = as_in_the_paper(params)
    generation = {count: scale_generation(round(count / assumed.pairs_per_problem), assumed, count) for count in pairs}
    shapes = {name: read_shape(config) for name, config in published_models().items() if name in MODELS}
    trained = [scale_training(name, shape, count, paper, assumed) for name, shape in shapes.items() for count in pairs]
    return generation, trained
