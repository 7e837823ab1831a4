"""Regression gate for continuous integration: a candidate must not be worse than a baseline.

It must not be significantly worse, and the tasks must be enough to tell: they exclude a loss of `margin`.
"""

import math
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel

from iterpref_core.records import InputError, Measured, ModelResults

from ..evaluation.results_file import load_model_results
from ..report.comparisons import compare_results, measured_differently, share_names
from ..report.display_names import benchmark_name
from ..report.number_formats import difference, p_equation, percent, readable
from ..statistics.comparison import Comparison
from ..statistics.paired_tests import holm

_POWER = 7.85
"""(1.96 + 0.84)²: an equally good candidate excludes the margin, by a 95% interval, in 80% of cases."""


class GatedBenchmark(Comparison, frozen=True):
    """The comparison of a candidate with a baseline on one benchmark.

    Attributes:
        baseline: the baseline's pass@1.
        candidate: the candidate's pass@1.
        differs: the circumstances that were not the same.
        p_worse_holm: the one-sided p-value after Holm's correction.
        worse: True if the candidate is significantly worse.
    """

    baseline: float
    candidate: float
    differs: list[str]
    p_worse_holm: float
    worse: bool

    def tasks_needed(self, margin: float) -> int:
        """Return the tasks with which an equally good candidate excludes a loss of this share in 80% of cases.

        Tasks are won and lost as often as here, and one more of each.
        """
        discordant = (self.gained + self.lost + 2) / (self.n + 2)
        return math.ceil(_POWER * discordant / margin**2)


class RegressionGate(BaseModel, frozen=True):
    """The comparison of a candidate with a baseline.

    Attributes:
        alpha: the rate of false alarms.
        worse: the benchmarks with a significantly worse candidate.
        keep: the share of the baseline's solved tasks that the candidate must keep; None: any.
        keeps_less: the benchmarks on which it keeps significantly less.
        margin: the loss of pass@1, a share, that must be excluded.
        not_excluded: the benchmarks whose 95% interval has a larger loss.
        strict: results that were measured differently fail, too.
        benchmarks: benchmark → comparison.
    """

    alpha: float
    worse: list[str]
    keep: float | None
    keeps_less: list[str]
    margin: float
    not_excluded: list[str]
    strict: bool
    benchmarks: dict[str, GatedBenchmark]

    @property
    def verdicts(self) -> list[tuple[list[str], str, str]]:
        """Return each condition: the benchmarks that fail it, and the words for a failure and for none."""
        loss = f"a loss of {100 * self.margin:g} points"
        found = [
            (self.worse, "significantly worse", "not significantly worse"),
            (self.not_excluded, f"{loss} is not excluded", f"{loss} is excluded"),
        ]
        if self.keep is not None:
            less = f"significantly less kept than {percent(self.keep)}"
            found.append((self.keeps_less, less, f"not {less}"))
        if self.strict:
            differing = [name for name, compared in self.benchmarks.items() if compared.differs]
            found.append((differing, "measured differently", "measured alike"))
        return found

    @property
    def failed(self) -> bool:
        """Return True if a condition is not met."""
        return any(names for names, _, _ in self.verdicts)

    def lines(self) -> list[str]:
        """Return the comparison for people: one line a benchmark with its other differences, then the verdict."""
        lines = []
        for name, compared in self.benchmarks.items():
            significant = " (significant)" if compared.worse else ""
            lines.append(
                f"{benchmark_name(name)}: {percent(compared.baseline)} -> {percent(compared.candidate)}, "
                f"{difference(compared)}; "
                f"{compared.gained} of {compared.n} tasks won, {compared.lost} lost; "
                f"worse: {p_equation(compared.p_worse_holm)}{significant}"
            )
            if kept := compared.kept:
                ends = " to ".join(map(percent, kept.ci95))
                lines.append(f"  kept: {percent(kept.share)} ({ends}) of the {readable(kept.solved)} solved tasks")
            elif self.keep is not None:
                lines.append("  kept: the baseline solved no task, so there is nothing to keep")
            if name in self.not_excluded:
                needed = compared.tasks_needed(self.margin)
                remedy = f"; hold out {needed:,} tasks" if needed > compared.n else ""
                lines.append(f"  not excluded: a loss of up to {-100 * compared.ci95[0]:.1f} points{remedy}")
            lines += [f"  candidate and baseline were measured differently: {each}" for each in compared.differs]
        found = [f"{bad} on {', '.join(map(benchmark_name, names))}" for names, bad, _ in self.verdicts if names]
        return lines + (found or [good for _, _, good in self.verdicts])


def compare_with_baseline(
    baseline: Path,
    candidate: Path,
    benchmarks: Sequence[str],
    alpha: float,
    keep: float | None = None,
    *,
    margin: float,
    strict: bool = False,
) -> RegressionGate:
    """Test whether a candidate is worse than a baseline on the same tasks, and whether the tasks are enough to tell.

    The test is one-sided: a gate acts on losses alone, and so finds them with fewer tasks at the same rate of false
    alarms (`alpha`, over all benchmarks together, after Holm's correction).

    Args:
        baseline: results.json of the model to compare with, or its folder.
        candidate: the same for the model in question.
        benchmarks: the benchmarks to compare on; by default all of the baseline's.
        alpha: the share of equally good candidates that may fail.
        keep: the share of the baseline's solved tasks that the candidate must keep on each benchmark. It keeps less
            if the interval of `Comparison.kept` lies below; that is not corrected for the number of benchmarks.
        margin: the loss, a share of the tasks, that the 95% interval of the difference must exclude on each benchmark.
        strict: also fail results that were measured differently.

    Raises:
        InputError: a result cannot be read, lacks a benchmark, or was measured on other data or other tasks.
    """
    loaded = {"old": [load_model_results(baseline)], "new": [load_model_results(candidate)]}
    (old,), (new,) = share_names(loaded, benchmarks).values()
    # Without --benchmark, gate on all benchmarks of the baseline.
    names = list(dict.fromkeys(benchmarks)) or list(old.measured)
    if not names:
        raise InputError(f"{baseline}: no benchmark was measured; run `iterpref evaluate` again")
    compared = []
    for name in names:
        before = _measured(old, baseline, name)
        after = _measured(new, candidate, name)
        comparison = compare_results(name, {"candidate": after, "baseline": before})
        # A task without a verdict on one side would change the test silently.
        if comparison is None or not before.n == after.n == comparison.n:
            reason = "where programs could not be run (infra_error)"
            if before.limit != after.limit:
                reason = f"with one --limit: it is {after.limit}, and {before.limit} in {baseline}"
            elif before.partial or after.partial:
                reason = "with samples of the same tasks: --partial left some out"
            raise InputError(
                f"{candidate}: {name} has {after.n} tasks with a verdict, {before.n} in {baseline}, and "
                f"{comparison.n if comparison else 0} in both; evaluate again {reason}"
            )
        compared.append((before, after, comparison))
    # With eight benchmarks at 0.05 each, one in three harmless candidates would fail somewhere.
    p_values = holm([comparison.p_worse for _, _, comparison in compared])
    gated = {}
    for name, (before, after, comparison), p_value in zip(names, compared, p_values, strict=True):
        gated[name] = GatedBenchmark(
            **dict(comparison),
            baseline=before.pass_at_1,
            candidate=after.pass_at_1,
            differs=measured_differently(before, after),
            p_worse_holm=p_value,
            worse=p_value <= alpha,
        )
    worse = [name for name, found in gated.items() if found.worse]
    keeps_less = [name for name, found in gated.items() if keep and found.kept and found.kept.ci95[1] < keep]
    return RegressionGate(
        alpha=alpha,
        worse=worse,
        keep=keep,
        keeps_less=keeps_less,
        margin=margin,
        not_excluded=[name for name, found in gated.items() if found.ci95[0] < -margin],
        strict=strict,
        benchmarks=gated,
    )


def _measured(model: ModelResults, path: Path, name: str) -> Measured:
    if name in model.measured:
        return model.measured[name]
    if name in model.unavailable:
        raise InputError(f"{path}: benchmark {name!r} could not be measured: {model.unavailable[name]}")
    has = f"it has {', '.join(model.measured) or 'none'}"
    remedy = "evaluate the model on it, or name others with --benchmark"
    raise InputError(f"{path}: no benchmark {name!r} ({has}); {remedy}")
