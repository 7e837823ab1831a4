"""Training estimate before there are pairs: a problem's reference stands for both programs of its pair."""

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from iterpref_core.config import PromptStyle, TrainingParams
from iterpref_core.errors import ConfigError
from iterpref_core.inference.local.checkpoints import read_config
from iterpref_core.inference.local.tokenizers import load_tokenizer
from iterpref_core.inference.prompts import render_answer, render_prompt
from iterpref_core.objectives.objectives import find_objective
from iterpref_core.records import Problem
from iterpref_core.training.model_shape import read_shape
from iterpref_core.training.training_estimate import Estimate, Setting, default_precision, estimate_training
from iterpref_core.training.workload import PairLengths, measure_workload

OBJECTIVE = "target-rpo"
"""The objective that takes most: a preference and an NLL term, and D- with them."""


def estimate_from_problems(
    problems: Sequence[Problem],
    total: int,
    model: str,
    prompt: PromptStyle,
    params: TrainingParams,
    longest: int,
    gpus: int = 1,
) -> Estimate:
    """What a training takes if every problem gives a pair whose rejected program is wrong from its first token on.

    Args:
        problems: a sample of those that become pairs; at least one.
        total: how many there are.
        model: folder or hub id, of which configuration and tokenizer are read.
        prompt: whether it reads prompts in its chat template.
        params: settings.
        longest: tokens of an answer, for problems without a reference.
        gpus: cards that share the model and every batch.

    Raises:
        ModelError: the model is not there, or of a kind that there is no estimate for.
        ConfigError: the batch cannot be split among the cards.
    """
    if params.batch_size % (params.micro_batch_size * gpus):
        raise ConfigError(
            f"params.yaml: training.batch_size: {params.batch_size} is no multiple of training.micro_batch_size = "
            f"{params.micro_batch_size} on {gpus} GPUs; change one of them"
        )
    shape, tokenizer = read_shape(read_config(model)), load_tokenizer(model, prompt)
    row = find_objective(OBJECTIVE, params.objectives)
    workload = measure_workload([_lengths(problem, tokenizer, params, longest) for problem in problems], row, params)
    setting = Setting(default_precision(shape, params), gpus, params.lora_rank)
    return estimate_training(shape, workload, row, params, setting, total)


def _lengths(problem: Problem, tokenizer: PreTrainedTokenizerBase, params: TrainingParams, longest: int) -> PairLengths:
    def count(text: str) -> int:
        return len(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    prompt = min(count(render_prompt(tokenizer, problem.prompt)), params.max_prompt_length)
    answer = longest if problem.reference is None else count(render_answer(problem.reference, params.answer)[0]) + 1
    program = min(answer, params.max_length - prompt)
    return PairLengths(prompt, program, program, shared=0, focal=program, branch=program)
