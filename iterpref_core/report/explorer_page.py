"""Explorer, `explorer.html`: every attempt of a problem, and two models' answers, in one page that asks for nothing.

The page is made of programs that models wrote. All of it is data; the one script puts it there as text. The policy of
the page names that script and the style sheet by their hashes, and allows nothing else.
"""

import base64
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from iterpref_core.config import Params
from iterpref_core.errors import InputError
from iterpref_core.records import FocalSpans, PairShifts, PreferencePair, Problem, Record, Trajectory
from iterpref_core.report.explorer_data import (
    Json,
    embed,
    pair_entry,
    survey_outcomes,
    trajectory_entry,
    within,
)
from iterpref_core.report.labels import FOCAL, OUTCOMES, benchmark_name, model_name
from iterpref_core.report.model_answers import answer_entries, compared_benchmark
from iterpref_core.report.pair_view import legend, style, templates
from iterpref_core.report.token_colors import choose_scale
from iterpref_core.storage.jsonl import atomic_writer, check_spans, read_jsonl
from iterpref_core.storage.record_index import RecordIndex

R = TypeVar("R", bound=Record)

TRAJECTORIES = 500
"""Trajectories of a page, at most."""
TRAJECTORY_BYTES, ANSWER_BYTES = 3_400_000, 1_400_000
"""Of a page, at most: with style and script it stays below 5 MB, whatever models have written."""

Shifts = Callable[[Sequence[PreferencePair]], Sequence[PairShifts]]


@dataclass(frozen=True)
class Explored:
    """Files that an explorer is made of. What is None is not shown.

    Attributes:
        trajectories: `trajectories.jsonl`.
        problems: `problems.jsonl`, for prompts.
        pairs: `pairs.jsonl`; without them no outcome is `pair`.
        spans: `focal.jsonl`.
        results: folder of `<model>/results.json` and `<model>/samples/`.
        params: the parameters.
        shifts: what training did to the tokens of the pairs that are shown.
    """

    trajectories: Path | None
    problems: Path | None
    pairs: Path | None
    spans: Path | None
    results: Path | None
    params: Params
    shifts: Shifts | None = None


@dataclass(frozen=True)
class Selection:
    """Which trajectories are shown.

    Attributes:
        task_ids: these alone; all where there are none.
        outcomes: with one of these alone; with any where there are none.
        count: on a page, at most.
        every: on as many pages as it takes, in the order of the file, in place of a choice on one.
    """

    task_ids: Collection[str] = ()
    outcomes: Collection[str] = ()
    count: int = TRAJECTORIES
    every: bool = False


def write_explorer(files: Explored, out: Path, selection: Selection = Selection(), report: str = "") -> int:
    """Write the page, or with `selection.every` as many as it takes: `out`, then `<out>-2.html` and so on.

    Args:
        files: what it is made of.
        out: the page.
        selection: which trajectories are shown.
        report: address of the report beside it, for a link; none where it is empty.

    Returns:
        How many pages were written.

    Raises:
        InputError: a file is unusable, or no trajectory is as chosen.
    """
    pairs, spans = _index(files.pairs, PreferencePair), _index(files.spans, FocalSpans)
    for item in spans.values():
        if files.spans is not None and item.task_id in pairs:
            check_spans(item, pairs[item.task_id], files.spans)
    totals, chosen = _select(files.trajectories, pairs, selection)
    entries = _Entries(files, _index(files.problems, Problem), pairs, spans, dict(chosen))
    pages = chain.from_iterable(map(entries.cut_pages, _chunks(files.trajectories, chosen, selection)))
    sampling = files.params.codeflow.source == "sampling"
    same = {"totals": totals, "outcomes": OUTCOMES, "sampling": sampling, **_answers(files)}
    page, number = next(pages, Page([], [])), 0
    while True:
        number += 1
        following = next(pages, None) if selection.every else None
        told = _told(selection, len(chosen), totals.total(), len(page.entries))
        data = {"trajectories": page.entries, "legend": page.legend, **same}
        _write(_name(out, number), data, told, _links(out, number, following is not None), report)
        if following is None:
            return number
        page = following


def _index(path: Path | None, kind: type[R]) -> Mapping[str, R]:
    return {} if path is None else RecordIndex(read_jsonl(path, kind, unique=True), kind)


def _select(
    path: Path | None, paired: Iterable[str], selection: Selection
) -> tuple[Counter[str], list[tuple[str, str]]]:
    """Outcome → trajectories of the file, and (task_id, outcome) of those that are asked for, in the order of a choice.

    Raises:
        InputError: a line is broken, or nothing is as asked.
    """
    if path is None:
        return Counter(), []
    totals, order = survey_outcomes(path, paired)
    known = {task_id for task_id, _ in order}
    absent = [task_id for task_id in selection.task_ids if task_id not in known]
    if absent:
        raise InputError(f"{path}: has no trajectory with task_id {absent[0]!r}; give one of its own")
    task_ids, outcomes = selection.task_ids or known, selection.outcomes or OUTCOMES
    chosen = [(task_id, found) for task_id, found in order if task_id in task_ids and found in outcomes]
    if order and not chosen:
        raise InputError(f"{path}: no trajectory has this outcome ({', '.join(outcomes)}); give another --outcome")
    return totals, chosen


def _chunks(path: Path | None, chosen: Sequence[tuple[str, str]], selection: Selection) -> Iterator[list[Trajectory]]:
    """Trajectories that may stand on one page: the first ones chosen, or with `every` all of them, in their order."""
    if path is None:
        return
    wanted = {task_id: None for task_id, _ in (chosen if selection.every else chosen[: selection.count])}
    found = (item for item in read_jsonl(path, Trajectory) if item.task_id in wanted)
    if selection.every:
        while chunk := list(islice(found, selection.count)):
            yield chunk
        return
    by_id = {item.task_id: item for item in found}
    yield [by_id[task_id] for task_id in wanted]


@dataclass(frozen=True)
class Page:
    """What a page holds of trajectories, and what their colors mean: (step, label)."""

    entries: list[Json]
    legend: list[tuple[int, str]]


@dataclass(frozen=True)
class _Entries:
    files: Explored
    problems: Mapping[str, Problem]
    pairs: Mapping[str, PreferencePair]
    spans: Mapping[str, FocalSpans]
    outcomes: Mapping[str, str]

    def cut_pages(self, chunk: Sequence[Trajectory]) -> Iterator[Page]:
        """Pages of these trajectories: one, or several where they are long."""
        pairs = {item.task_id: self.pairs[item.task_id] for item in chunk if item.task_id in self.pairs}
        scored = self.files.shifts(list(pairs.values())) if self.files.shifts is not None and pairs else ()
        shifts = {item.task_id: item for item in scored}
        scale = choose_scale(shifts.values())
        entries = (self._entry(item, pairs.get(item.task_id), shifts, scale) for item in chunk)
        for page in within(entries, TRAJECTORY_BYTES):
            yield Page(page, legend(scale) if shifts else [])

    def _entry(
        self, item: Trajectory, pair: PreferencePair | None, shifts: Mapping[str, PairShifts], scale: float
    ) -> Json:
        problem = self.problems.get(item.task_id)
        prompt = problem.prompt if problem else pair.prompt if pair else ""
        entry = trajectory_entry(item, self.outcomes[item.task_id], prompt, self.files.params.codeflow)
        if pair is None:
            return entry
        spans = self.spans.get(item.task_id)
        return entry | {"pair": pair_entry(pair, spans, shifts.get(item.task_id), scale)}


def _answers(files: Explored) -> Json:
    """Tasks with models' answers, and how the models and the benchmark are called."""
    name, measured = (None, {}) if files.results is None else compared_benchmark(files.results)
    if name is None or files.results is None:
        return {"tasks": [], "models": {}, "benchmark": ""}
    entries = answer_entries(files.results, files.problems, name, measured)
    shown = next(within(entries, ANSWER_BYTES), [])
    every = set().union(*(result.verdicts for result in measured.values()))
    names = {model: model_name(model) for model in measured}
    second = next((model for model in reversed(names) if model in FOCAL), list(names)[-1])
    return {
        "tasks": shown,
        "models": names,
        "second": second,
        "benchmark": benchmark_name(name),
        "tasks_in_all": len(every),
    }


def _told(selection: Selection, chosen: int, total: int, shown: int) -> str:
    """Which trajectories a page shows, in words."""
    if not total:
        return "There are no trajectories here."
    asked = "" if chosen == total else f" that were asked for, of {total:,} in all"
    start = f"{shown:,} of {chosen:,} trajectories{asked}"
    if shown == chosen:
        return f"{start}."
    if selection.every:
        return f"{start}, in the order of the file; the other pages have the others."
    return (
        f"{start}, sampled so that every outcome and every kind of failure is here: shares on this page are not those "
        "of all trajectories. Within a kind, trajectories were chosen by the hash of their task_id."
    )


def _links(out: Path, number: int, more: bool) -> list[tuple[str, str]]:
    """(name, address) of the pages before and after this one."""
    before = [("first page", 1), ("page before", number - 1)] if number > 1 else []
    after = [(f"page {number + 1}", number + 1)] if more else []
    return [(name, quote(_name(out, other).name)) for name, other in [*before, *after]]


def _name(out: Path, number: int) -> Path:
    return out if number == 1 else out.with_name(f"{out.stem}-{number}{out.suffix}")


def _write(out: Path, data: Json, told: str, links: Sequence[tuple[str, str]], report: str) -> None:
    script, sheet = _part("explorer.js"), style() + _part("explorer.css")
    html = (
        templates()
        .get_template("explorer.html")
        .render(
            data=embed(data),
            told=told,
            links=links,
            report=report,
            has=data,
            style=sheet,
            script=script,
            policy=_policy(script, "\n" + sheet),
        )
    )
    with atomic_writer(out) as file:
        file.write(html)


def _policy(script: str, sheet: str) -> str:
    """Nothing but this script and this style sheet, and no text that a script makes elements of."""
    hashes = [base64.b64encode(sha256(text.encode()).digest()).decode() for text in (script, sheet)]
    return (
        f"default-src 'none'; script-src 'sha256-{hashes[0]}'; style-src 'sha256-{hashes[1]}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _part(name: str) -> str:
    return Path(__file__).with_name("templates").joinpath(name).read_text(encoding="utf-8")
