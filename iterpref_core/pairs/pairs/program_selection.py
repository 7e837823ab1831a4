"""Program selection: trajectories in, single programs that pass or fail out, with the error region of those that fail.

A problem counts where it was solved: only then is a failure known to be the program's own, and not the tests', and only
then is there a repair to find its error region with. A problem whose first draft passes, which gives no pair, gives a
passing program.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from iterpref_core.pairs.localization.localization import ON_TEXT, apply_policy
from iterpref_core.pairs.pairs.filters import drop_reason
from iterpref_core.pairs.pairs.pair_selection import Task, choosable, find_task, make_pairs, read_tasks, token_counter
from iterpref_core.problems.screening.contamination import Decontamination
from iterpref_core.problems.screening.near_duplicates import NearDuplicates
from iterpref_core.records import LabeledProgram, PreferencePair, Span, Trajectory
from iterpref_core.records.config import LocalizationParams, PairsParams
from iterpref_core.records.errors import ConfigError, InputError
from iterpref_core.records.prompt_messages import prompt_text
from iterpref_core.storage.jsonl import read_jsonl, write_jsonl

logger = logging.getLogger(__name__)

DROPPED = ("unsolved", "fails_hidden_tests", "too_long", "contaminated", "near_duplicate")
"""The reasons to drop a problem, in the order in which they are checked."""


def select_programs(
    trajectories: Path,
    problems: Path,
    tokenizer: Path | str,
    params: PairsParams,
    localization: LocalizationParams,
    out: Path,
) -> dict[str, float]:
    """Write programs of solved problems with their labels, in the trajectories' order.

    Args:
        trajectories: Trajectory records.
        problems: Problem records, for the prompts; the held-out ones among them are a benchmark.
        tokenizer: model folder or hub id whose tokenizer counts the tokens: the model to be trained.
        params: which failing version counts, and the filters' bounds. With `rejected: all` every different version
            that passes or fails is a program, else one of each.
        localization: how error regions are found, and what becomes of empty ones.
        out: where the LabeledProgram records go; written whole or not at all.

    Returns:
        `programs` written, how many of them are `passing` and `failing`, `dropped/<reason>` for each reason to drop a
        problem (`DROPPED`), and `left_out/<reason>`: failing versions of other problems that the filters of pairs or
        the policy of localization leave out.

    Raises:
        ConfigError: pairs are to be judged, or regions are to be found by running tests.
        InputError: a trajectory's problem is not there or has other tests now; or there is no tokenizer, or one label
            alone.
    """
    if params.judge is not None:
        raise ConfigError("pairs.judge: judges pairs, and there are none with --unpaired; set null")
    if localization.method not in ON_TEXT:
        raise ConfigError(
            f"localization.method: {localization.method} runs tests, which --unpaired does not; set one of "
            f"{', '.join(ON_TEXT)}"
        )
    counts: Counter[str] = Counter()
    selection = _Selection(problems, token_counter(tokenizer), params, localization, counts)
    # A file with one label would be refused by training.
    written = write_jsonl(out, _both_labels(selection.programs(trajectories), trajectories, counts))
    for name, overlap in selection.benchmarks.overlaps.items():
        if overlap.pairs:
            logger.warning("%d problems overlap with %s", overlap.pairs, name)
    metrics = {"programs": float(written), "passing": float(counts["passing"]), "failing": float(counts["failing"])}
    metrics |= {f"dropped/{reason}": float(counts[reason]) for reason in DROPPED}
    return metrics | {name: float(count) for name, count in counts.items() if name.startswith("left_out/")}


class _Selection:
    """The selection of programs from trajectories."""

    def __init__(
        self,
        problems: Path,
        count_tokens: Callable[[str], int],
        params: PairsParams,
        localization: LocalizationParams,
        counts: Counter[str],
    ) -> None:
        drop = params.contaminated == "drop"
        self.benchmarks = Decontamination(params.benchmarks, problems, drop=drop, pass_over=True)
        self._tasks = read_tasks(problems)
        self._known = None if params.near_duplicate is None else NearDuplicates(params.near_duplicate)
        self._count_tokens = count_tokens
        self._params = params
        self._localization = localization
        self._counts = counts

    def programs(self, trajectories: Path) -> Iterator[LabeledProgram]:
        """Yield the programs of each trajectory, those that pass first."""
        for trajectory in read_jsonl(trajectories, Trajectory, unique=True):
            task = find_task(trajectory, self._tasks)
            passing = self._passing(trajectory)
            reason = self._reason_to_drop(trajectory, task, passing)
            if reason is not None:
                self._counts[reason] += 1
                continue
            for code in passing:
                yield self._labeled(task, code, None)
            for code, spans in self._failing(trajectory, task):
                yield self._labeled(task, code, spans)

    def _passing(self, trajectory: Trajectory) -> list[str]:
        """Return the programs that pass: the one that pairs choose, or with `rejected: all` every different one."""
        versions = [attempt.code for attempt in choosable(trajectory, self._params)]
        if self._params.rejected != "all":
            pairs = make_pairs(trajectory, "", self._params) if versions else []
            versions = [pair.chosen for pair in pairs] or versions[:1]
        return [code for code in dict.fromkeys(versions) if self._count_tokens(code) <= self._params.max_tokens]

    def _reason_to_drop(self, trajectory: Trajectory, task: Task, passing: list[str]) -> str | None:
        """Return the reason to drop a problem, or None to keep it."""
        if not any(attempt.verdict == "passed" for attempt in trajectory.attempts):
            return "unsolved"
        if not choosable(trajectory, self._params):
            return "fails_hidden_tests"
        if not passing:
            return "too_long"
        shown = PreferencePair(task_id=task.task_id, prompt=task.prompt, chosen="\n\n".join(passing), rejected="")
        if not list(self.benchmarks.clean([shown])):
            return "contaminated"
        if self._known is not None and not self._known.add(f"{prompt_text(task.prompt)}\n{passing[0]}"):
            return "near_duplicate"
        return None

    def _failing(self, trajectory: Trajectory, task: Task) -> Iterator[tuple[str, tuple[Span, ...]]]:
        """Yield the failing programs that the filters of pairs keep, with their error regions."""
        locate = ON_TEXT[self._localization.method]
        for pair in make_pairs(trajectory, task.prompt, self._params):
            reason = drop_reason(pair, self._params, self._count_tokens, task.entry_point)
            if reason is not None:
                self._counts[f"left_out/{reason}"] += 1
                continue
            located = [(pair, locate(pair.rejected, pair.chosen))]
            regions = list(apply_policy(located, self._localization, Counter()))
            if not regions:
                self._counts["left_out/no_region"] += 1
            for region in regions:
                yield pair.rejected, region.rejected

    def _labeled(self, task: Task, code: str, spans: tuple[Span, ...] | None) -> LabeledProgram:
        """Return a program with its label: without spans it passes."""
        self._counts["passing" if spans is None else "failing"] += 1
        return LabeledProgram(
            prompt=task.prompt,
            completion=code,
            label=spans is None,
            rejected_spans=spans,
            problem_id=task.task_id,
            license=task.license,
        )


def _both_labels(
    programs: Iterator[LabeledProgram], trajectories: Path, counts: Counter[str]
) -> Iterator[LabeledProgram]:
    """Pass the programs on; without both labels, raise an error that names the reasons, so that no file is written."""
    yield from programs
    if counts["failing"]:  # those are of problems that have a program that passes
        return
    reasons = ", ".join(f"{name} {count}" for name, count in counts.most_common() if name != "passing")
    explanation = reasons or "all drafts pass, or there are none; debug more problems"
    found = "no program fails" if counts["passing"] else "no problem gave a program"
    raise InputError(f"{trajectories}: {found} ({explanation}); KTO learns from programs of both kinds")
