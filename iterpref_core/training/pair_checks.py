"""Check a file of pairs before a training, by its regions, tokens, licenses and overlap with benchmarks."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from iterpref_core.models.pretrained.chat_template import ChatTemplate
from iterpref_core.models.pretrained.tokenizers import load_chat_template
from iterpref_core.models.pretrained.weights import check_checkpoint
from iterpref_core.pairs.ingestion.ways_in import ways_in
from iterpref_core.pairs.localization.localization import DROPPED, localize_pairs
from iterpref_core.pairs.selection.filters import drop_reason
from iterpref_core.problems.screening.contamination import CONTAMINATED, Decontamination, Overlap
from iterpref_core.problems.screening.private_records import PrivateDataCount
from iterpref_core.programs.answers.fences import has_markdown
from iterpref_core.records import ModelError, PairsParams, Params, PreferencePair
from iterpref_core.storage.dropped import Dropped, open_dropped
from iterpref_core.storage.jsonl import read_pairs, write_jsonl
from iterpref_core.storage.shards import VALIDATION, usual_split

from .data.held_out import held_out
from .data.measures import Finding, PairScores
from .data.tokenized_dataset import TokenizedDataset, open_tokenized_dataset
from .model.model_limits import limit_findings


def mark_pairs(pairs: Path, params: Params, folder: Path) -> tuple[Path, str]:
    """Mark the pairs that have no region, and return the file in which all have one, with a sentence on the regions.

    Args:
        pairs: the file; it is returned if each of its pairs has a region.
        params: section `localization` decides how pairs are marked.
        folder: for the other file.
    """
    marked = folder / "pairs.jsonl"
    found = localize_pairs(pairs, params.localization, marked)
    drops = "".join(
        f", {count} left out ({reason}: {DROPPED[reason]})" for reason, count in found.dropped.items() if count
    )
    text = f"{found.given} from the file, {found.pairs - found.given} marked{drops}"
    # The record of a training names the file that the user knows.
    return (pairs if found.given == found.pairs and not drops else marked), text


@contextmanager
def tokenized_pairs(pairs: Path, template: ChatTemplate, params: Params) -> Iterator[tuple[TokenizedDataset, str]]:
    """Open the tokenized pairs, all with regions, which are on disk: in memory, 59,000 pairs would be 3 GB.

    Yields:
        The rows, and the sentence of `mark_pairs`.
    """
    with TemporaryDirectory() as folder:
        marked, text = mark_pairs(pairs, params, Path(folder))
        yield open_tokenized_dataset(marked, template, "", params.training, Path(folder)), text


def check_pair_file(
    pairs: Path,
    params: Params,
    *,
    model: str | None,
    against: Sequence[str],
    problems: Path,
    out: Path | None,
    dropped: Path | None,
) -> tuple[dict[str, Any], list[Finding]]:
    """Check pairs, and write what is clean.

    Args:
        pairs: the file.
        params: the settings of a training, and the model's prompts.
        model: the model to train, whose tokenizer measures lengths, and which scores each pair that is written; without
            one only texts are compared.
        against: names of benchmarks, or paths of their JSONL files.
        problems: JSONL with the held-out problems.
        out: JSONL for the pairs that overlap with no benchmark; not written by default.
        dropped: JSONL for the others.

    Returns:
        Counts, and the findings.
    """
    trained: dict[str, Any] = {}
    of_model: list[Finding] = []
    scores: PairScores = {}
    if model is not None:
        trained, of_model = _check_with_model(pairs, model, params, None if out is None else scores)
    benchmarks = Decontamination(against, problems)
    counts: Counter[str] = Counter()
    private = PrivateDataCount("pairs")
    with open_dropped(dropped) as drops:
        clean = drops.keep(_clean_pairs(pairs, params.pairs, benchmarks, counts, private, scores))
        kept = write_jsonl(out, clean) if out is not None else sum(1 for _ in clean)
    findings = list(_overlap_findings(benchmarks.overlaps, out))
    findings += [Finding(stops=False, text=text) for text in (*benchmarks.looks(), *private.findings())]
    rows = kept + benchmarks.contaminated
    if pairs.is_file():  # a pipe is read once
        findings += [Finding(stops=False, text=text) for text in ways_in(pairs, rows, counts)]
    kinds = {name: counts.pop(name) for name in ("replay", "validation_pairs") if counts[name]}
    whole = rows - kinds.get("replay", 0)
    given = counts.pop("given", 0)
    regions = (
        f"{given} from the file, {whole - given} to be marked; not checked: --model MODEL checks them as they are "
        "trained, `iterpref localize` writes them"
    )
    numbers: dict[str, Any] = {"pairs": whole, "regions": regions, **kinds, **private.counts}
    numbers["benchmark_tasks"] = sum(overlap.tasks for overlap in benchmarks.overlaps.values())
    numbers |= trained
    if out is not None:
        numbers |= {"kept": kept, "dropped/contaminated": benchmarks.contaminated}
    numbers |= sorted(counts.items())
    if counts["repeated"]:
        findings.append(Finding(stops=False, text=f"{counts['repeated']} pairs repeat another, and count twice"))
    return numbers, findings + of_model


def _check_with_model(
    pairs: Path, model: str, params: Params, scores: PairScores | None
) -> tuple[dict[str, Any], list[Finding]]:
    """Return the numbers of the pairs as a model is trained on them, and the faults that it shows.

    The faults are of lengths, of error regions, and of the model's limits and template. A model whose weights are on
    this machine also tells how foreign the repairs are to it; `scores`, unless None, takes its scores of all pairs.
    """
    # PEFT and accelerate take a second to import, and only a model needs them.
    from .repair_nll import measure_repairs

    prompt = params.model.student_format
    template = load_chat_template(check_checkpoint(model, prompt, loaded=False), prompt)
    with tokenized_pairs(pairs, template, params) as (rows, regions):
        checks = rows.checks
        # The template alone is around an answer in Markdown.
        kinds = {"bare" if is_markdown else params.training.answer for is_markdown in checks["markdown"].tolist()}
        forms = " or ".join(map(template.describe, sorted(kinds)))
        trained: dict[str, Any] = {"trained": forms, "regions": regions}
        is_held_out = held_out(rows.problems, params.training, 1, (checks["validation"] > 0).tolist())
        if validated := sum(is_held_out):
            trained["validation_pairs"] = validated
        findings = [*checks.findings(params.training, validated=validated), *limit_findings(model, checks)]
        try:
            trained |= measure_repairs(model, rows, scores)
        except ModelError as error:
            findings.append(Finding(stops=False, text=f"the NLL of D+ and D- is unknown: {error}"))
    if template.remark:
        findings.append(Finding(stops=False, text=template.remark))
    return {**trained, "pairs": int(checks.is_pair.sum()), **checks.numbers()}, findings


def _clean_pairs(
    pairs: Path,
    params: PairsParams,
    benchmarks: Decontamination,
    counts: Counter[str],
    private: PrivateDataCount,
    scores: PairScores,
) -> Iterator[PreferencePair | Dropped]:
    """Yield the pairs with their scores, without overlaps with a benchmark; count licenses, repetitions, keys."""
    seen = set[int]()
    for number, pair in enumerate(read_pairs(pairs), start=1):
        counts[f"license/{pair.license or 'not stated'}"] += 1
        texts = hash((pair.prompt, pair.chosen, pair.rejected))
        counts["repeated"] += texts in seen
        if pair.rejected is None:
            counts["replay"] += 1
        elif pair.rejected_spans is not None:
            counts["given"] += 1
        if usual_split(pair.split or "") == VALIDATION:
            counts["validation_pairs"] += 1
        if has_markdown(pair):
            counts["markdown"] += 1
        # Lengths in tokens depend on the model.
        if reason := drop_reason(pair, params, lambda _: 0):
            counts[f"filtered/{reason}"] += 1
        seen.add(texts)
        private.add(pair.task_id, pair)
        task = benchmarks.partner(pair)
        if task:
            yield Dropped("contaminated", f"{pairs}:{number}", pair.task_id, CONTAMINATED, task)
        else:
            yield pair.model_copy(update=scores.get(pair.task_id))


def _overlap_findings(overlaps: Mapping[str, Overlap], out: Path | None) -> Iterator[Finding]:
    """Yield a finding for each benchmark that pairs share something with.

    Prompts of a benchmark stop a run, unless `out` is a file without them.
    """
    for name, overlap in overlaps.items():
        if overlap.pairs:
            kinds = ", ".join(f"{count} by {kind}" for kind, count in overlap.kinds.items() if count)
            some = ", ".join(overlap.examples)
            text = f"{overlap.pairs} pairs overlap with {name} ({kinds}; such as {some})"
            if out is None:
                remedy = "remove them with `iterpref check --out`, or results on that benchmark are worthless"
            else:
                remedy = f"{out} is without them"
            yield Finding(overlap.kinds["prompt"] > 0 and out is None, f"{text}: {remedy}")
