"""Program selection: trajectories in, single programs that pass or fail out, with the error region of those that fail.

The programs are those of the pairs: what is no pair, or has no error region, gives no program.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from iterpref_core.pairs.localization.localization import localize_pairs
from iterpref_core.pairs.pairs.pair_selection import screened_params, select_pairs
from iterpref_core.records import FocalSpans, LabeledProgram, PreferencePair, Span
from iterpref_core.records.config import Params
from iterpref_core.storage.jsonl import read_jsonl, read_pairs, write_jsonl


def select_programs(
    trajectories: Path, problems: Path, tokenizer: Path | str, params: Params, out: Path
) -> dict[str, float]:
    """Write the programs of pairs with their labels, in the trajectories' order; a problem's chosen program once.

    Args:
        trajectories: Trajectory records.
        problems: Problem records, for the prompts; the held-out ones among them are a benchmark.
        tokenizer: model folder or hub id whose tokenizer counts the tokens: the model to be trained.
        params: the sections `pairs`, `localization`, `evaluation` and `execution` decide.
        out: where the LabeledProgram records go; written whole or not at all.

    Returns:
        `programs` written, and the counts of `select_pairs` and `localize_pairs`.

    Raises:
        InputError: as `select_pairs` and `localize_pairs` do.
    """
    with TemporaryDirectory() as folder:
        pairs = Path(folder, "pairs.jsonl")
        spans = Path(folder, "spans.jsonl")
        metrics = select_pairs(trajectories, problems, tokenizer, screened_params(params), pairs)
        metrics |= localize_pairs(pairs, params.localization, spans, problems, params.execution)
        regions = {region.task_id: region for region in read_jsonl(spans, FocalSpans)}
        programs = write_jsonl(out, _programs(pairs, regions))
    return metrics | {"programs": float(programs)}


def _programs(pairs: Path, regions: dict[str, FocalSpans]) -> Iterator[LabeledProgram]:
    """Yield the programs of the pairs with a region: those of one problem share the one that passes."""
    last = None
    for pair in read_pairs(pairs):
        region = regions.get(pair.task_id)
        if region is None:
            continue
        if pair.problem != last:
            yield _labeled(pair, pair.chosen, None)
        last = pair.problem
        yield _labeled(pair, pair.rejected, region.rejected)


def _labeled(pair: PreferencePair, code: str, spans: tuple[Span, ...] | None) -> LabeledProgram:
    """Return a program with its label: without spans it passes."""
    return LabeledProgram(
        prompt=pair.prompt,
        completion=code,
        label=spans is None,
        rejected_spans=spans,
        problem_id=pair.problem,
        license=pair.license,
    )
