"""Configuration check: what a run of params.yaml would meet, from its problems to its disk; nothing is spent."""

from collections import Counter
from collections.abc import Iterator
from itertools import chain, islice
from typing import NamedTuple

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
