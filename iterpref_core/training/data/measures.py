"""Check before training whether the pairs are worth the time on an accelerator."""

import logging
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b, sha256
from itertools import chain
from typing import Any

import numpy as np

from iterpref_core.records import InputError, Objective, TrainingParams

from .tokenized_pair import COUNTS, TokenizedPair

logger = logging.getLogger(__name__)

MAX_CUT_SHARE = 0.05
"""Pairs whose D- `max_length` cuts, wholly or partly: above this share of all, training on D- is refused."""
MAX_EMPTY_SHARE = 0.5
"""Pairs without a token in D-: above this share of all, training on D- is refused."""
WHOLE_SHARE = 0.95
"""Share of the rejected programs' tokens; with more, D- does not mark a region."""

COLUMNS = (
    "prompt_tokens",
    "chosen_tokens",
    "rejected_tokens",
    "focal_tokens",
    "shared_prefix",
    "focal_end",
    "largest_id",
    *COUNTS,
)
"""Integers of a pair that the checks read, most of them numbers of tokens.

`shared_prefix`: tokens that both programs begin with. `focal_end`: tokens of y- up to the last of D-. `largest_id`:
the largest token id.
"""
DIGESTS = ("chosen_digest", "pair_digest")
"""Digests of prompt and y+, and of prompt, y+ and y-, which find repetitions; they leave marks out."""
PairScores = dict[str, dict[str, float]]
"""Name of a pair → what a model makes of it: `nll` and `logp_margin`, as in `PreferencePair`."""


def measure(row: TokenizedPair) -> dict[str, int | str]:
    """Return the `COLUMNS` and the `DIGESTS` of a pair."""
    # The digest of the pair goes on from its chosen half's.
    chosen = blake2b(_as_bytes(row.prompt_ids) + _as_bytes(row.chosen_ids), digest_size=16)
    pair = chosen.copy()
    pair.update(_as_bytes(row.rejected_ids))
    return {
        "prompt_tokens": len(row.prompt_ids),
        "chosen_tokens": len(row.chosen_ids),
        "rejected_tokens": len(row.rejected_ids),
        "focal_tokens": sum(row.focal),
        "shared_prefix": row.shared_prefix,
        "focal_end": row.focal_end,
        "largest_id": max(chain(row.prompt_ids, row.chosen_ids, row.rejected_ids)),
        **{name: getattr(row, name) for name in COUNTS},
        "chosen_digest": chosen.hexdigest(),
        "pair_digest": pair.hexdigest(),
    }


@dataclass(frozen=True)
class Finding:
    """A fault of the data, with its remedy.

    Attributes:
        stops: a run should not start.
        text: one line.
    """

    stops: bool
    text: str


class PairMeasures:
    """Checks of tokenized pairs, and of programs alone, which have no error region to check.

    Args:
        columns: `COLUMNS` and `DIGESTS` of all pairs, (pairs,) each, as `measure` gives them.

    Attributes:
        is_pair: (pairs,) False for a program alone.
    """

    def __init__(self, columns: Mapping[str, Sequence[Any]]) -> None:
        self._columns = {name: np.array(columns[name], np.int64) for name in COLUMNS}
        self.is_pair: np.ndarray = self["rejected_tokens"] > 0
        self._longer: np.ndarray = np.maximum(self["chosen_tokens"], self["rejected_tokens"])
        self._chosen = columns["chosen_digest"]
        self._pairs = columns["pair_digest"]

    def __getitem__(self, name: str) -> np.ndarray:
        """Return a column of `COLUMNS`, (pairs,)."""
        return self._columns[name]

    def __len__(self) -> int:
        return len(self._pairs)

    @property
    def row_tokens(self) -> np.ndarray:
        """Return the tokens of each prompt with the longer of its programs, (pairs,)."""
        tokens: np.ndarray = self["prompt_tokens"] + self._longer
        return tokens

    @property
    def tokens(self) -> str:
        """A digest of all token ids, without the marks."""
        return sha256("".join(self._pairs).encode()).hexdigest()

    def counts(self) -> dict[str, int]:
        """Return the number of pairs of each kind.

        D- is empty, wholly or partly cut off; prompts and y+ are cut; y+ is blank; an answer is Markdown; a pair
        repeats another.
        """
        has_focal = self["focal_tokens"] > 0
        loses_focal = self["focal_truncated"] > 0
        kinds = {
            "focal_empty": self.is_pair & ~has_focal & ~loses_focal,
            "focal_lost": ~has_focal & loses_focal,
            "focal_cut": has_focal & loses_focal,
            "prompts_cut": self["prompt_truncated"] > 0,
            "chosen_cut": self["chosen_truncated"] > 0,
            "blank": self["blank"],
            "markdown": self["markdown"],
        }
        counts = {name: int(marks.sum()) for name, marks in kinds.items()}
        # The chosen program of each pair that is not there yet is new, or of an earlier pair.
        different = len(set(self._pairs))
        counts["same_pair"] = len(self) - different
        counts["same_chosen"] = different - len(set(self._chosen))
        counts["no_difference"] = int((self["shared_prefix"] == self._longer).sum())
        return counts

    def read_by(self, objective: Objective) -> np.ndarray:
        """Return the numbers of the rows that an objective learns from; programs alone need its NLL."""
        return np.flatnonzero(self.is_pair | objective.replays)

    def lengths(self) -> dict[str, np.ndarray]:
        """Return the tokens before anything is cut, (pairs,) each; a `pair` is the prompt and the longer program."""
        names = ("prompt", "chosen", "rejected")
        whole = {name: self[f"{name}_tokens"] + self[f"{name}_truncated"] for name in names}
        whole["pair"] = whole["prompt"] + np.maximum(whole["chosen"], whole["rejected"])
        return whole | {"rejected": whole["rejected"][self.is_pair]}

    def numbers(self) -> dict[str, float]:
        """Return the key numbers: shares of the pairs, or of tokens (`…_token_share`); lengths in tokens."""
        numbers = {f"{name}_share": count / len(self) for name, count in self.counts().items()}
        rejected = max(int(self["rejected_tokens"].sum()), 1)
        after_focal = self["rejected_tokens"] - self["focal_end"]
        numbers["shared_prefix_token_share"] = float(self["shared_prefix"].sum() / rejected)
        numbers["after_focal_token_share"] = float(after_focal.sum() / rejected)
        # A prompt of 6 tokens, programs of 10 that share 4, and D- that ends at 7: padded rows have 6 + 10 + 6 + 10
        # tokens, a row with a shared prefix 6 + 10 and the rejected suffix's 7 - 4.
        chosen = self["prompt_tokens"] + self["chosen_tokens"]
        suffix = np.maximum(self["focal_end"] - self["shared_prefix"], 0)
        padded = chosen + self.is_pair * self["prompt_tokens"] + self["rejected_tokens"]
        numbers["fork_token_share"] = float((chosen + suffix).sum() / padded.sum())
        for name, sizes in self.lengths().items():
            for percent in (50, 95, 100):
                if len(sizes):
                    length = np.percentile(sizes, percent, method="inverted_cdf")
                    numbers[f"{name}_tokens_p{percent}"] = float(length)
        return numbers

    def replay_findings(self, objective: Objective) -> Iterator[Finding]:
        """Yield what keeps an objective from learning of programs alone, or from learning at all without pairs."""
        alone = len(self) - int(self.is_pair.sum())
        if alone and not objective.replays:
            text = f"{alone} programs to replay have no part in {objective.title}, which has no NLL of them"
            yield Finding(False, f"{text}; choose an objective that has one (pairs.replay: none leaves them out)")
        if alone == len(self) and (objective.preference or not objective.replays):
            text = f"no row has a rejected program, which {objective.title} needs"
            yield Finding(True, f"{text}; add pairs, or train sft")

    def findings(self, form: TrainingParams, *, validated: int = 0, regional: bool = True) -> Iterator[Finding]:
        """Yield the faults of the data, each with its remedy.

        Args:
            form: limits of length, and the size of a batch, which decide some of them.
            validated: the number of rows that are held out, which are in no batch.
            regional: the objective weighs D-; else D- has no faults.
        """
        pairs = int(self.is_pair.sum())
        # A program that is all error region still has an end token outside of D-.
        share = self["focal_tokens"].sum() / max(int(self["rejected_tokens"].sum()) - pairs, 1)
        if share > WHOLE_SHARE:
            text = f"D- is {share:.1%} of the rejected programs, so that focal objectives equal plain ones"
            yield Finding(False, f"{text}; pair each program with a closer fix, or choose another localization.method")
        for count, total, text, remedy, limit in self._faults(form, validated, regional=regional):
            if count:
                stops = count > limit * total
                too_many = f", more than {limit:.0%}" if stops and limit else ""
                of = f"of {total} {'pairs' if total == pairs else 'rows'} ({count / total:.1%})"
                yield Finding(stops, f"{text}: {count} {of}{too_many}; {remedy}")

    def _faults(
        self, form: TrainingParams, validated: int, *, regional: bool
    ) -> Iterator[tuple[int, int, str, str, float]]:
        """Yield how many rows of how many have a fault, the fault, its remedy, and the share that stops a run."""
        counts = self.counts()
        rows, pairs = len(self), int(self.is_pair.sum())
        longest = int(self.lengths()["pair"].max())
        enough = f" (the longest pair has {longest} tokens)" if longest > form.max_length else ""
        raised = f"raise max_length = {form.max_length}{enough} or drop long programs (pairs.max_tokens)"
        trained = rows - validated
        too_few = trained if trained < form.batch_size else 0
        cut = counts["focal_lost"] + counts["focal_cut"]
        no_region = (
            "mark the pairs that bring no rejected_spans (`iterpref localize`); where a fix only inserts, set "
            "localization.empty to anchor or drop, or choose another method"
        )
        if regional:
            yield counts["focal_empty"], pairs, "D- is empty", no_region, MAX_EMPTY_SHARE
            yield cut, pairs, "D- is cut off, wholly or partly", raised, MAX_CUT_SHARE
        yield counts["chosen_cut"], rows, "the chosen program loses its end, and never learns to stop", raised, 1
        prompts = f"raise max_prompt_length = {form.max_prompt_length}"
        yield counts["prompts_cut"], rows, "the prompt loses its start", prompts, 1
        batch = f"batch_size = {form.batch_size}, so each of {form.epochs} epochs is one step"
        yield too_few, rows, f"fewer pairs than one batch ({batch})", "lower it, or bring more", 1
        blank = "drop these pairs, which teach empty answers"
        yield counts["blank"], rows, "the chosen program is empty", blank, 0
        markdown = f"an answer is Markdown, trained as it is{', and D- may lie outside of its program' * regional}"
        programs = "`iterpref ingest PAIRS --format trl --out pairs.jsonl` takes the programs out"
        yield counts["markdown"], rows, markdown, programs, 1
        yield counts["no_difference"], rows, "chosen and rejected are the same tokens", "drop these pairs", 1
        yield counts["same_pair"], rows, "a repetition of an earlier pair", "drop them", 1
        yield counts["same_chosen"], rows, "an earlier prompt and chosen with another rejected", "fine if intended", 1


def _as_bytes(ids: Sequence[int]) -> bytes:
    """Return token ids as bytes that no other ids give, even if more of them follow."""
    return array("q", [len(ids), *ids]).tobytes()


def report_findings(findings: Iterable[Finding]) -> None:
    """Log the findings before training, and stop where it must.

    Args:
        findings: of the data, or of the model's limits.

    Raises:
        InputError: a finding stops the run; the message lists all that do.
    """
    listed = list(findings)
    for finding in listed:
        logger.warning("data: %s", finding.text)
    stopping = [finding.text for finding in listed if finding.stops]
    if stopping:
        raise InputError("; ".join(stopping))
