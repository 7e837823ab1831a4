"""Figures in README and docs: of the recorded runs, computed now, or measured on a day that is named."""

import json
import re
from io import StringIO
from typing import Any

import pytest
import yaml
from rich.console import Console

from iterpref_core.config import load_params
from iterpref_core.objectives.objectives import OBJECTIVES
from iterpref_core.problems.features import total_combinations
from iterpref_core.report.number_formats import p_value, points
from iterpref_core.report.terminal_table import results_table
from iterpref_core.training.method_costs import BATCH, WRONG_TOKENS, Assumptions, as_in_the_paper, assumed_pair
from iterpref_core.training.model_shape import read_shape
from iterpref_core.training.published_models import published_models
from iterpref_core.training.training_estimate import ACCELERATORS, Estimate, Setting, estimate_training
from iterpref_core.training.workload import PairLengths, measure_workload
from tasks.orchestration.experiment_run import RunCost
from tests.settings import ROOT

PAGES = {path.relative_to(ROOT).as_posix(): path for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))}
RUNS = {path.stem: json.loads(path.read_bytes()) for path in (ROOT / "docs/demo_runs").glob("*.json")}
WITHOUT_BF16 = {path.stem: json.loads(path.read_bytes()) for path in (ROOT / "docs/demo_runs/avx2").glob("*.json")}
NEWEST_FIRST = sorted(RUNS.values(), key=lambda run: str(run["finished"]), reverse=True)
LATER, EARLIER = NEWEST_FIRST[0], NEWEST_FIRST[-1]
PARAMS = load_params(ROOT / "params.yaml")
TRAINED = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]["training"]["matrix"]["objective"]


def _alone() -> tuple[dict[str, Any], RunCost]:
    """The newest run that had the machine to itself, as the share of it says that it used: its time is quoted."""
    runs = [(run, RunCost.model_validate(run["cost"] | {"stages": []})) for run in NEWEST_FIRST]
    return next((run, cost) for run, cost in runs if cost.cpu_share and cost.cpu_share > 0.5)


def says(page: str, *quotes: str) -> None:
    """Assert that a page has these words, however its lines are broken."""
    text = " ".join(PAGES[page].read_text(encoding="utf-8").split())
    assert [quote for quote in quotes if " ".join(quote.split()) not in text] == [], f"{page} must say this"


def gained(run: dict[str, Any], other: str) -> str:
    """Points that Target-RPO gained over another model on the held-out problems, and p."""
    found = run["summary"]["comparisons"]["target-rpo"][other]["heldout"]
    return f"{points(found['difference'])}, p {p_value(found['p_value'])}"


def test_the_table_of_the_readme_is_what_the_later_run_printed() -> None:
    console = Console(file=StringIO(), width=80)
    console.print(results_table(LATER["summary"]))
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    wanted = "\n".join(line.rstrip() for line in printed.rstrip().splitlines())
    assert wanted in PAGES["README.md"].read_text(encoding="utf-8"), f"the table of README.md must be\n{wanted}"


def test_the_readme_quotes_the_recorded_runs() -> None:
    timed, cost = _alone()
    says(
        "README.md",
        f"{LATER['summary']['models']['base']['heldout']['n']:,} unseen problems",
        f"more than RPO ({gained(LATER, 'rpo')}) and than plain SFT on the same "
        f"{LATER['summary']['codeflow']['pairs']} correct programs ({gained(LATER, 'sft')})",
        f"the differences are {gained(EARLIER, 'rpo')} and {gained(EARLIER, 'sft')}",
        f"The {timed['cost']['stages']} stages took {cost.total_s:.0f} s on two cores of an {timed['processor']} "
        f"({timed['finished'][:10]}), {cost.cpu_share:.0%} of whose time they used",
    )
    [slower] = WITHOUT_BF16.values()
    says(
        "README.md",
        f"{slower['cost']['total_s']:.0f} s on two without instructions for bfloat16",
        f"as most laptops are, they are {gained(slower, 'rpo')} and {gained(slower, 'sft')}",
    )
    says("docs/problems.md", f"{total_combinations():,} combinations")


@pytest.mark.parametrize("run", (RUNS | WITHOUT_BF16).values(), ids=RUNS | WITHOUT_BF16)
def test_a_recorded_run_has_its_row(run: dict[str, Any]) -> None:
    summary = run["summary"]
    scores = [
        f"{100 * summary['models'][name]['heldout']['pass_at_1']:.1f}"
        for name in ("base", "sft", "dpo", "rpo", "target-dpo", "target-rpo")
    ]
    begin = f"`{run['commit']}`, {run['finished'][:16].replace('T', ' ')}"
    counts = str(summary["codeflow"]["pairs"]), f"{summary['codeflow']['llm_calls']:,}"
    cells = [begin, *counts, *scores, gained(run, "sft"), gained(run, "rpo")]
    says("docs/nanolab.md", f"| {' | '.join(cells)} |")


def test_the_experiment_that_costs_were_checked_against_is_a_recorded_one() -> None:
    found = EARLIER["summary"]["codeflow"]
    says(
        "docs/scaling.md",
        f"| problems, pairs | {found['problems']}, {found['pairs']} |",
        f", {found['llm_calls']:,} | 631, 631 |",
        f", {found['prompt_tokens']:,} | 63,254",
        f", {found['completion_tokens']:,} | 32,307",
    )


def test_a_number_of_pairs_is_a_recorded_runs() -> None:
    """Of the default experiment, that is; wherever it is not the later run's, the earlier one is named."""
    later, earlier = (str(run["summary"]["codeflow"]["pairs"]) for run in (LATER, EARLIER))
    wrong = []
    for page, path in PAGES.items():
        for section in re.split(r"(?m)^(?=#)", path.read_text(encoding="utf-8")):
            found = re.findall(r"\b(3[12]\d)\s+(?:pairs|correct programs|of debugging)", section)
            known = {later, earlier} if f"`{EARLIER['commit']}`" in section else {later}
            wrong += [f"{page}: {number} pairs" for number in found if number not in known]
    assert wrong == [], f"say which recorded run has them ({later} or {earlier}), or mend the number"


def test_what_was_measured_says_when() -> None:
    """Sections that are called so, and those that speak of seconds or cores that somebody had."""
    measured = re.compile(r"(?m)^#+ .*(Measured|Numbers$|Speed|tried)|took \d|of one core|two (virtual )?cores")
    undated = [
        f"{page}: {section.splitlines()[0]}"
        for page, path in PAGES.items()
        if page != "docs/decisions.md"  # `git blame` has its dates, as it says itself
        for section in re.split(r"(?m)^(?=#)", path.read_text(encoding="utf-8"))
        if measured.search(section) and not re.search(r"\b20\d\d-\d\d-\d\d\b", section)
    ]
    assert undated == [], "say when, and on what"


def column(pair: PairLengths) -> list[str]:
    """Of 59,000 such pairs what docs/estimate.md says of them, its rows' cells, and GPU-hours in the padded layout."""
    shape, row = read_shape(published_models()["Qwen2.5-Coder-7B"]), OBJECTIVES["target-rpo"]

    def found(layout: str, setting: Setting) -> Estimate:
        params = as_in_the_paper(PARAMS.training).model_copy(update={"layout": layout})
        return estimate_training(shape, measure_workload([pair] * BATCH, row, params), row, params, setting, 59_000)

    cards, one, padded = (found(*how) for how in (
        ("fork", Setting("mixed", 8)), ("fork", Setting("bf16")), ("padded", Setting("mixed", 8))
    ))  # fmt: skip
    memory, flops, h200, a100 = cards.memory, cards.flops, ACCELERATORS[0], ACCELERATORS[-1]
    return [
        f"{cards.workload.slots // BATCH:,}, {cards.workload.labels // BATCH:,}",
        f"{memory.weights / 1e9:.1f} + {memory.gradients / 1e9:.1f} + {memory.optimizer / 1e9:.1f} GB",
        f"{memory.activations / 1e9:.1f} + {memory.head / 1e9:.2f} + {memory.gathered / 1e9:.1f} GB",
        f"**{memory.total / 1e9:.0f} GB**",
        f"**{one.memory.total / 1e9:.0f} GB**",
        f"{flops.training / 1e18:.1f}e18",
        f"{flops.recompute / 1e18:.1f}e18, {flops.reference / 1e18:.1f}e18",
        f"**{cards.gpu_hours(h200):.1f}**",
        f"{cards.gpu_hours(a100):.0f}",
        f"{cards.reference_cache / 1e9:.1f} GB",
        f"{padded.gpu_hours(h200):.1f}",
    ]


def test_the_table_of_the_estimate_is_computed() -> None:
    *example, padded = column(assumed_pair(Assumptions().lengths))
    *limit, _ = column(PairLengths(1024, 1024, 1024, 1023 - WRONG_TOKENS, WRONG_TOKENS, 1023))
    text = PAGES["docs/estimate.md"].read_text(encoding="utf-8")
    table = re.findall(r"(?m)^\| [^|]+ \| ([^|]+) \| ([^|]+) \|$", text)
    assert table[: len(example)] == list(zip(example, limit, strict=True))
    says("docs/estimate.md", f"With `layout: padded` the first column takes {padded} GPU-hours")


def test_hostile_programs_are_as_many_as_the_page_says() -> None:
    count = len(list((ROOT / "tests/execution/hostile").glob("*.py")))
    says("docs/execution.md", f"`tests/execution/hostile/` holds {count} programs")
