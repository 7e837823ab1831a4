"""Configuration check: what a run of params.yaml would meet, from its problems to its disk; nothing is spent."""

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import yaml

from iterpref_core.config import WITH_WEIGHTS, Params
from iterpref_core.errors import ModelError
from iterpref_core.inference.local.checkpoints import EMBEDDED
from iterpref_core.problems.problems import read_ingested, synthesize
from iterpref_core.records import Problem
from tasks.orchestration.doctor import Diagnosis, examine
from tasks.paths import INGESTED

SAMPLE = 256
"""Problems whose lengths are measured."""
INGEST = "iterpref ingest FILE --format jsonl --out problems/mine.jsonl"


class Checked(NamedTuple):
    """What was found, and the first prompt that the student would read; empty where none can be rendered."""

    findings: list[Diagnosis]
    prompt: str


def check_configuration(params: Params) -> Checked:
    """Look at problems, prompt, training and endpoint, then at all that doctor looks at.

    Raises:
        RecordError: a file in problems/ is broken.
        ConfigError: the parameters contradict each other.
    """
    own = list(read_ingested(INGESTED, set()))
    composed = {split: int(getattr(params.problems, split)) for split in ("codeflow", "validation", "heldout")}
    counts = Counter(problem.split or "codeflow" for problem in own) + Counter(composed)
    findings = [*_problems(params, counts, len(own)), *_asked(params, counts)]
    drafted = (problem for problem in chain(own, synthesize(params.problems)) if problem.split == "codeflow")
    sample = list(islice(drafted, SAMPLE))
    prompt = ""
    if params.model.student != EMBEDDED and sample:
        try:
            prompt = render_draft(sample[0], params)
            findings += _training(params, sample, counts["codeflow"])
        except ModelError as error:
            findings.append(Diagnosis(name="training", status="absent", found="no estimate", remedy=str(error)))
    return Checked(findings + examine(params), prompt)


def _problems(params: Params, counts: Counter[str], own: int) -> Iterator[Diagnosis]:
    found = f"{counts['codeflow']} to debug, {counts['heldout']} held out, {own} of all your own"
    missing = "" if counts["codeflow"] else f"{INGEST}, or raise problems.codeflow"
    yield Diagnosis(name="problems", status="missing" if missing else "ok", found=found, remedy=missing)
    for split in ("heldout", "validation"):
        if split in params.evaluation.benchmarks and not counts[split]:
            remedy = (
                f'give some of your problems `"split": "{split}"`, raise problems.{split}, or take {split} out of '
                "evaluation.benchmarks"
            )
            yield Diagnosis(name=f"problems: {split}", status="missing", found="none", remedy=remedy)
    for role in ("student", "debugger"):
        if getattr(params.model, role) == EMBEDDED and not getattr(params.problems, role):
            remedy = f"name a model as model.{role}, or raise problems.{role}, which the embedded one learns from"
            yield Diagnosis(name=f"problems: {role}", status="missing", found="none", remedy=remedy)


def _asked(params: Params, counts: Counter[str]) -> Iterator[Diagnosis]:
    """The most that an endpoint is asked for these problems; other benchmarks ask it for as much as they have tasks."""
    if params.inference.backend in WITH_WEIGHTS:
        return
    codeflow, evaluation = params.codeflow, params.evaluation
    of_each = codeflow.max_iterations + (codeflow.draft_model == "debugger")
    refined = counts["codeflow"] * of_each
    scored = sum(counts[name] * evaluation.samples for name in evaluation.benchmarks if name in counts)
    tokens = refined * codeflow.max_new_tokens + scored * evaluation.max_new_tokens
    dollars = tokens * params.inference.price_completion / 1e6
    cost = f", {dollars:.2f} dollars for these" if dollars else ""
    found = f"at most {refined + scored:,} calls and {tokens:,} new tokens{cost}"
    yield Diagnosis(name="calls of the debugger", status="ok", found=found)


def render_draft(problem: Problem, params: Params) -> str:
    """What the student reads when it drafts.

    Raises:
        ModelError: the student's tokenizer or chat template cannot be used.
    """
    from iterpref_core.inference.codeflow_prompts import draft_prompt
    from iterpref_core.inference.local.tokenizers import load_tokenizer
    from iterpref_core.inference.prompts import render_prompt

    tokenizer = load_tokenizer(params.model.student, params.model.prompt)
    return render_prompt(tokenizer, draft_prompt(problem.prompt, params.codeflow.wording))


def _training(params: Params, sample: Sequence[Problem], total: int) -> Iterator[Diagnosis]:
    """Memory and hours of one objective, and the disk that all of them take."""
    import torch

    from iterpref_core.training.problem_estimate import OBJECTIVE, estimate_from_problems
    from iterpref_core.training.this_device import this_device
    from iterpref_core.training.training_estimate import MARGIN

    training, objectives = (
        params.training,
        len(yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"]["training"]["foreach"]),
    )
    gpus = max(torch.cuda.device_count(), 1) if training.accelerate else 1
    longest = params.codeflow.max_new_tokens
    found = estimate_from_problems(sample, total, params.model.student, params.model.prompt, training, longest, gpus)
    device = this_device()
    yield _fits(
        "training: memory",
        found.memory.total / (1 - MARGIN),
        device.memory,
        f"({device.name})",
        "iterpref init --profile own-lora, a smaller training.max_length, or training.accelerate on more GPUs",
    )
    hours = found.gpu_hours(device) / gpus
    time = f"about {hours:.1f} hours" if hours >= 1 else f"about {60 * hours:.0f} minutes"
    time = time if hours >= 1 / 60 else "less than a minute"
    each = f"{found.steps:,} steps of {OBJECTIVE}, {time}; `iterpref run` trains {objectives} objectives"
    yield Diagnosis(name="training: time", status="ok", found=each)
    models = 2 * objectives * found.shape.parameters * (2 if found.shape.saved_in_bf16 else 4)
    checkpoints = 2 * gpus * (found.memory.weights + found.memory.optimizer)
    free = shutil.disk_usage(".").free
    about = "for models, DVC's copies of them, and two checkpoints"
    yield _fits("training: disk", models + checkpoints, free, about, "free some, or `iterpref run --objective NAME`")


def _fits(name: str, needed: float, there: float, about: str, remedy: str) -> Diagnosis:
    found = f"{needed / 1e9:.1f} of {there / 1e9:.0f} GB {about}"
    if needed <= there:
        return Diagnosis(name=name, status="ok", found=found)
    return Diagnosis(name=name, status="missing", found=found, remedy=remedy)
