"""Benchmark overlap before training: what is wrong, and what to do."""

from collections.abc import Iterator, Mapping

from iterpref_core.screening.contamination import Overlap
from iterpref_core.training.checks import Finding


def overlap_findings(overlaps: Mapping[str, Overlap]) -> Iterator[Finding]:
    """A finding for each benchmark that pairs share something with; prompts of a benchmark stop a run."""
    for name, found in overlaps.items():
        if found.pairs:
            kinds = ", ".join(f"{count} by {kind}" for kind, count in found.kinds.items() if count)
            some = ", ".join(f"{example['pair']} = {example['task']}" for example in found.examples)
            text = f"{found.pairs} pairs overlap with {name} ({kinds}; such as {some})"
            remedy = "remove them with `iterpref decontaminate`, or results on that benchmark say nothing"
            yield Finding(found.kinds["prompt"] > 0, f"{text}: {remedy}")
