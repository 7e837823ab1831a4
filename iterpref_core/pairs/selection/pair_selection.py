"""Select one preference pair of each trajectory, or one of each failing version (stage `pairs`)."""

import logging
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from iterpref_core.problems.screening.contamination import CONTAMINATED, Decontamination
from iterpref_core.programs.answers.extraction import lacks_program
from iterpref_core.records import (
    BENCHMARKS,
    UNDECIDED,
    InputError,
    PairsParams,
    PairsResult,
    Params,
    PreferencePair,
    Problem,
    Trajectory,
    derive_seed,
    take_name,
)
from iterpref_core.storage.dropped import Dropped, open_dropped
from iterpref_core.storage.jsonl import read_jsonl, read_pairs, write_jsonl

from .filters import FILTERS, drop_reason

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

logger = logging.getLogger(__name__)

# The seed of the choice of versions.
_SEED = 13
# The reasons to drop a pair and their meanings, in the order of the checks.
DROPPED: dict[str, str] = {
    "other_split": "its problem is held out, or of another split than codeflow",
    "unanswered": "an answer is missing, and no other version passes",
    "unsolved": "no version passes the tests",
    "fails_hidden_tests": "every version that passes the visible tests fails the hidden ones",
    "solved_by_draft": "no version fails",
    "truncated": "every failing version was cut off at the limit of tokens",
    "no_program": "every failing version is empty or prose",
    **{str(reason): meaning for reason, meaning in FILTERS.items()},
    "repeated": "its pair is one of an earlier file of trajectories",
    "contaminated": CONTAMINATED,
}


def screened_params(params: Params) -> PairsParams:
    """Return section `pairs` with the benchmarks of `evaluation` added, so that every score is screened.

    An empty `pairs.benchmarks` stays empty, and turns screening off.
    """
    if not params.pairs.benchmarks:
        return params.pairs
    rows = [BENCHMARKS[name] for name in params.evaluation.benchmarks]
    measured = [row.data.key for row in rows if row.data is not None]
    return params.pairs.model_copy(update={"benchmarks": (*params.pairs.benchmarks, *measured)})


class PairedProblem(NamedTuple):
    """The part of a problem that its pairs need, without its tests, which are large.

    Attributes:
        pair: a pair of the problem that still lacks its programs.
        entry_point: the name that the tests call.
        tests_digest: the digest of the tests.
        gives_pairs: the problem is not held out.
    """

    pair: PreferencePair
    entry_point: str
    tests_digest: str
    gives_pairs: bool = True


def read_paired_problems(problems: Path) -> dict[str, PairedProblem]:
    """Return the problems of a file by their names.

    Raises:
        RecordError: a line is broken, or repeats a name.
    """
    found = {}
    for problem in read_jsonl(problems, Problem, unique=True):
        pair = PreferencePair(
            task_id=problem.task_id,
            prompt=problem.prompt,
            chosen="",
            rejected="",
            problem_id=problem.task_id,
            license=problem.license,
            # Without tests, the two programs are right and wrong by the word of their set.
            tested=None if problem.tests else False,
            provenance=problem.provenance,
        )
        found[problem.task_id] = PairedProblem(pair, problem.entry_point, problem.tests_digest, problem.gives_pairs)
    return found


def screen_pairs(params: Params, **files: Any) -> PairsResult:
    """Write the pairs, screened against `evaluation.benchmarks`, too (stage `pairs`); `files` as in `select_pairs`."""
    return select_pairs(params=screened_params(params), **files)


def select_pairs(
    trajectories: Sequence[Path],
    problems: Path,
    tokenizer: Path | str,
    params: PairsParams,
    out: Path,
    report: Path | None = None,
    dropped: Path | None = None,
    own: Path | None = None,
) -> PairsResult:
    """Write the pairs of solved problems that had a failing version and pass the filters, in the trajectories' order.

    Programs to replay follow: with `pairs.replay`, the passing version of problems without a failing one becomes a row
    without a rejected program. Pairs of the user's own come last, after the same filters; one whose name is taken gets
    a number.

    A problem's first pair has the problem's `task_id`. With `rejected: all`, or with several files, `#2`, `#3` follow
    it in further pairs; a number that would give the name of another problem is skipped.

    Args:
        trajectories: files of Trajectory records, such as runs with other seeds write. A pair of an earlier file is
            not repeated.
        problems: Problem records of at least all trajectories. Held-out problems are screened against as a benchmark.
        tokenizer: model folder or hub id whose tokenizer counts the tokens: the model to be trained.
        params: which failing version is rejected, and the filters' bounds.
        out: where the PreferencePair records go; written whole or not at all.
        report: JSON to write the benchmarks to, with the overlaps of pairs with each; not written by default.
        dropped: JSONL to write every trajectory without a pair, and every own pair that is left out, to
            (`storage.dropped`); not written by default.
        own: folder with files of pairs, `*.jsonl`.

    Returns:
        The number of pairs, of programs to replay, and of problems without either by reason.

    Raises:
        InputError: a trajectory's problem is missing or has other tests now, the tokenizer or a benchmark's file cannot
            be read, or every pair is dropped; the message has the reasons.
    """
    # The file of dropped trajectories is written even if every pair is dropped.
    with open_dropped(dropped) as drops:
        selection = _Selection(problems, tokenizer, params)
        files = sorted(own.glob("*.jsonl")) if own else []
        pairs = drops.keep(chain(selection.pairs(trajectories), selection.own_pairs(files)))
        first = next(pairs, None)
        written = 0 if first is None else write_jsonl(out, chain([first], pairs))
    counts = selection.counts
    benchmarks = selection.benchmarks
    if not written:
        raise _no_pair(trajectories, counts + sum(selection.own.values(), Counter()), benchmarks)
    for name, overlap in benchmarks.overlaps.items():
        if overlap.pairs:
            logger.warning("%d pairs overlap with %s: %s", overlap.pairs, name, ", ".join(sorted(overlap.overlapping)))
    for text in benchmarks.looks():
        logger.warning("%s", text)
    if report is not None:
        benchmarks.write_report(report)
    replay = counts["replay"] + sum(found["replay"] for found in selection.own.values())
    return PairsResult(
        pairs=written - replay,
        replay=replay if params.replay_limit != 0 or replay else None,
        further_pairs=counts["further"] if params.rejected == "all" or len(trajectories) > 1 else None,
        dropped={reason: counts[reason] for reason in DROPPED},
        contaminated=benchmarks.contaminated,
        own={name: dict(found) for name, found in selection.own.items()} or None,
    )


class _Selection:
    """The selection of pairs from trajectories, which streams them.

    Attributes:
        benchmarks: the benchmarks that pairs are compared with.
        counts: pairs that are left out by reason, `further` pairs of a problem, and programs to `replay`.
        own: the same of each file of own pairs, by the file's name, with the `pairs` and `replay` taken from it.
    """

    def __init__(self, problems: Path, tokenizer: Path | str, params: PairsParams) -> None:
        self._model = tokenizer
        self._params = params
        self.benchmarks = Decontamination(params.benchmarks, problems, pass_over=True)
        self._problems = read_paired_problems(problems)
        self.counts: Counter[str] = Counter()
        self.own: dict[str, Counter[str]] = {}
        # The first pair of a problem has its name, which no other pair may have.
        self._names = Counter(dict.fromkeys(self._problems, 1))
        self._paired: set[str] = set()
        self._seen: set[int] = set()

    @cached_property
    def _tokenizer(self) -> "PreTrainedTokenizerBase":
        """The tokenizer, loaded when the first long program is counted: to import transformers takes seconds."""
        from iterpref_core.models.pretrained.tokenizers import load_tokenizer

        return load_tokenizer(self._model)

    def _count_tokens(self, text: str) -> int:
        return len(self._tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    def pairs(self, trajectories: Sequence[Path]) -> Iterator[PreferencePair | Dropped]:
        """Yield the pairs of all files, and then the programs to replay.

        A trajectory without either gives the reason against its first pair.

        Raises:
            InputError: a trajectory's problem is not there or has other tests now.
        """
        rows = (
            (f"{file}:{number}", trajectory)
            for file in trajectories
            for number, trajectory in enumerate(read_jsonl(file, Trajectory, unique=True), start=1)
        )
        solved: list[tuple[str, PreferencePair]] = []
        for where, trajectory in rows:
            pairs = self._filtered(trajectory)
            if isinstance(pairs, str):
                self.counts[pairs] += 1
                yield Dropped(pairs, where, trajectory.task_id, DROPPED[pairs])
                continue
            partners = [self.benchmarks.partner(pair) for pair in pairs]
            if all(partners):
                yield Dropped("contaminated", where, trajectory.task_id, CONTAMINATED, partners[0])
            for pair, partner in zip(pairs, partners, strict=True):
                if partner:
                    self.counts["contaminated"] += 1
                elif pair.rejected is None:
                    solved.append((where, pair))
                else:
                    self.counts["further"] += pair.task_id != pair.problem
                    yield pair
        yield from self._drawn(solved)

    def _drawn(self, solved: Sequence[tuple[str, PreferencePair]]) -> Iterator[PreferencePair | Dropped]:
        """Yield the programs to replay that `pairs.replay` draws, in order; each has its place in the trajectories."""
        # Each problem has its own lot, so that a larger number adds programs to those of a smaller one.
        lots = sorted(range(len(solved)), key=lambda place: derive_seed(_SEED, solved[place][1].task_id))
        drawn = set(lots[: self._params.replay_limit])
        for place, (where, pair) in enumerate(solved):
            if place in drawn:
                self.counts["replay"] += 1
                yield pair.model_copy(update={"task_id": self._free_name(pair.problem)})
            else:
                self.counts["solved_by_draft"] += 1
                yield Dropped("solved_by_draft", where, pair.task_id, DROPPED["solved_by_draft"])

    def own_pairs(self, files: Sequence[Path]) -> Iterator[PreferencePair | Dropped]:
        """Yield the pairs of files that pass the filters, and the reason against each of the others."""
        for path in files:
            counts = self.own[path.stem] = Counter(pairs=0)
            for number, pair in enumerate(read_pairs(path), start=1):
                fault = drop_reason(pair, self._params, self._count_tokens)
                partner = None if fault else self.benchmarks.partner(pair)
                reason = "contaminated" if partner else fault
                counts[reason or ("replay" if pair.rejected is None else "pairs")] += 1
                if reason is not None:
                    yield Dropped(reason, f"{path}:{number}", pair.task_id, DROPPED[reason], partner or "")
                else:
                    yield pair.model_copy(update={"task_id": take_name(pair.task_id, self._names)})

    def _filtered(self, trajectory: Trajectory) -> list[PreferencePair] | str:
        """Return the pairs of a problem that no filter drops; or the reason why the first one is dropped.

        The first has the problem's name; `#2`, `#3` follow it in the others, unless another problem has that name.
        """
        problem = self._problems.get(trajectory.task_id)
        if problem is None or trajectory.tests not in {None, problem.tests_digest}:
            fault = "is not in the problems file" if problem is None else "has other tests now"
            raise InputError(
                f"trajectory {trajectory.task_id!r}: its problem {fault}; "
                "give the file that the trajectories were made from, or debug again"
            )
        if not problem.gives_pairs:
            return "other_split"
        pairs = make_pairs(trajectory, problem, self._params)
        if isinstance(pairs, str):
            return pairs
        raising = {attempt.code for attempt in trajectory.attempts if attempt.verdict == "exception"}
        kept: list[PreferencePair] = []
        dropped: list[str] = []
        for pair in pairs:
            raised = pair.rejected in raising
            reason = drop_reason(pair, self._params, self._count_tokens, problem.entry_point, raised=raised)
            programs = hash((pair.problem, pair.chosen, pair.rejected))
            if reason or programs in self._seen:
                dropped.append(reason or "repeated")
                continue
            self._seen.add(programs)
            # A program to replay takes its name when it is drawn: one that is not must leave the name to a pair.
            name = pair.problem if pair.rejected is None else self._free_name(pair.problem)
            kept.append(pair.model_copy(update={"task_id": name}))
        return kept or dropped[0]

    def _free_name(self, problem: str) -> str:
        """Return the name of a problem's next pair: the problem's own, then the next number that no problem has."""
        if problem in self._paired:
            return take_name(problem, self._names)
        self._paired.add(problem)
        return problem


def make_pairs(trajectory: Trajectory, problem: PairedProblem, params: PairsParams) -> list[PreferencePair] | str:
    """Return the pairs of a trajectory; or the reason why it has none.

    The chosen version passes: in debugging the final version, in sampling a random one. The rejected version is the
    first, the last or a random failing version; with `all`, every different failing version makes a pair of its own.
    Random choices depend on the problem alone, not on other trajectories.

    With `params.replay`, a trajectory without a failing version has one row, without a rejected program.
    """
    passed = [attempt for attempt in trajectory.attempts if attempt.verdict == "passed"]
    if not passed:
        return "unanswered" if trajectory.missing else "unsolved"
    passing = [attempt.code for attempt in passed if not (params.pass_hidden and attempt.fails_hidden)]
    if not passing:
        return "fails_hidden_tests"
    failing = _failing_versions(trajectory)
    if isinstance(failing, str):
        if failing != "solved_by_draft" or params.replay_limit == 0:
            return failing
        failing = [None]
    chance = random.Random(derive_seed(_SEED, trajectory.task_id))
    # Both draws are made under every setting: so the chosen version does not depend on `params.rejected`.
    drawn = chance.choice(failing)
    chosen = chance.choice(passing)
    choices = {
        "first": failing[:1],
        "last": failing[-1:],
        "random": [drawn],
        "all": list(dict.fromkeys(failing)),
    }
    rows = {attempt.code: attempt.provenance for attempt in trajectory.attempts if attempt.provenance}
    # Of two models that wrote the same program, the first one counts.
    authors = {attempt.code: attempt.model for attempt in reversed(trajectory.attempts)}
    pairs = []
    for rejected in choices[params.rejected]:
        programs = (chosen,) if rejected is None else (chosen, rejected)
        provenance = tuple(chain.from_iterable(rows.get(code, ()) for code in programs)) or problem.pair.provenance
        update = {
            "chosen": chosen,
            "rejected": rejected,
            "provenance": provenance,
            "chosen_by": authors[chosen],
            "rejected_by": rejected and authors[rejected],
        }
        pairs.append(problem.pair.model_copy(update=update))
    return pairs


def _failing_versions(trajectory: Trajectory) -> list[str | None] | str:
    """Return the versions that can be rejected programs; or the reason, which a user can change, why there is none."""
    failing: list[str | None] = []
    reasons = set()
    for attempt in trajectory.attempts:
        # A version without a verdict (`infra_error`) may be right. A version that was cut off at the length limit would
        # teach a model to write less.
        if attempt.verdict in UNDECIDED:
            continue
        if attempt.verdict == "truncated":
            reasons.add("truncated")
        elif lacks_program(attempt.code):
            reasons.add("no_program")
        else:
            failing.append(attempt.code)
    if failing:
        return failing
    if "truncated" in reasons:
        return "truncated"
    return "no_program" if reasons else "solved_by_draft"


def _no_pair(trajectories: Sequence[Path], counts: Counter[str], benchmarks: Decontamination) -> InputError:
    """Return the error for trajectories that give no pair, which names the reasons."""
    # The most frequent reason comes first.
    dropped = Counter({reason: counts[reason] for reason in DROPPED})
    reasons = ", ".join(f"{reason} {count}" for reason, count in dropped.most_common() if count)
    explanation = reasons or "the file is empty; debug some problems first"
    remedy = "see the reasons in docs/pairs.md"
    if dropped["unsolved"] + dropped["no_program"] > dropped.total() / 2:
        remedy += (
            "; read some answers there: if the models do not understand the prompts, change codeflow.wording and "
            "training.answer (models of this project: terse and bare; models for instructions: instruct and fenced)"
        )
    shared = [name for name, overlap in benchmarks.overlaps.items() if overlap.pairs]
    if shared:
        remedy += f"; contaminated pairs overlap with {', '.join(shared)} (pairs.benchmarks; [] screens nothing)"
    return InputError(f"{', '.join(map(str, trajectories))}: no problem gave a pair ({explanation}); {remedy}")
