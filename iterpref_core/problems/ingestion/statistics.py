"""Describe the records that an ingestion takes: tests, lengths, and the share of each file."""

from collections import Counter, defaultdict
from statistics import fmean, median_low
from typing import Any

from iterpref_core.records import PreferencePair, Problem
from iterpref_core.records.prompt_messages import prompt_text


class Statistics:
    """Sizes and kinds of the records so far."""

    def __init__(self) -> None:
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        # `prompt characters` → the number of each record.
        self._sizes: defaultdict[str, list[int]] = defaultdict(list)
        self._inside: list[bool] = []

    def add(self, record: Problem | PreferencePair) -> None:
        """Count a record."""
        self._sizes["prompt characters"].append(len(prompt_text(record.prompt)))
        if isinstance(record, PreferencePair):
            self._sizes["chosen characters"].append(len(record.chosen))
            self._sizes["rejected characters"].append(len(record.rejected))
        else:
            tests = record.tests + record.hidden_tests
            if tests:
                self._sizes["tests"].append(len(tests))
                self._inside.append(record.inside is True)
            if record.reference is not None:
                self._sizes["reference characters"].append(len(record.reference))
            self._counts["test kinds"].update(test.kind for test in tests)
        if record.provenance:
            self._counts["files"][record.provenance[0].file] += 1

    def summary(self) -> dict[str, Any]:
        """Return the median, mean and largest of each size, and shares between 0 and 1."""
        found: dict[str, Any] = {
            # The median of an even number of values is the lower value in the middle.
            name: {"median": median_low(sizes), "mean": round(fmean(sizes), 1), "max": max(sizes)}
            for name, sizes in self._sizes.items()
        }
        if self._inside:
            found["inside"] = round(fmean(self._inside), 4)
        return found | {name: _shares(counts) for name, counts in self._counts.items() if counts}


def _shares(counts: Counter[str]) -> dict[str, float]:
    return {name: round(count / counts.total(), 4) for name, count in counts.most_common()}


def table(summary: dict[str, Any]) -> list[str]:
    r"""Return the lines of a table of sizes, with shares below.

    >>> sizes = {"tests": {"median": 3, "mean": 3.5, "max": 9}}
    >>> print(*table(sizes | {"inside": 0.25, "files": {"a.jsonl": 1.0}}), sep="\n")
                              median      mean       max
    tests                          3       3.5         9
    inside                       25%
    files: a.jsonl              100%
    """
    lines = [f"{'':<24}{'median':>8}{'mean':>10}{'max':>10}"]
    for name, value in summary.items():
        if isinstance(value, dict) and "median" in value:
            lines.append(f"{name:<24}{value['median']:>8,}{value['mean']:>10,}{value['max']:>10,}")
            continue
        # `inside` is one share, `files` has one for each file.
        shares = value.items() if isinstance(value, dict) else [("", value)]
        for part, share in shares:
            label = f"{name}: {part}" if part else name
            lines.append(f"{label:<24}{share:>8.0%}")
    return lines
