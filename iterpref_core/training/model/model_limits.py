"""Model limits: the ids that a model's embedding has rows for, and the positions that it knows, against the pairs."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedConfig

from iterpref_core.models.pretrained.checkpoints import locate_model, read_config
from iterpref_core.records.errors import ModelError
from iterpref_core.training.data.checks import Finding, PairChecks

_POSITIONS = re.compile(r"wpe|pos_?emb|position|embed_pos")
"""A part of the names of tables with a row for every position: GPT-2's `wpe`, OPT's and GPT-J's `embed_positions`."""
_OFFSET = 2
"""Rows that OPT and BioGPT have before that of the first position."""


@dataclass(frozen=True)
class ModelLimits:
    """The limits of the texts that a model can read.

    Attributes:
        model: its folder or hub id.
        ids: rows of its embedding.
        positions: tokens of its longest text; None where its configuration does not say.
        has_table: it has a row for every position and none beyond: of learned positions, for one.
        changes_at: tokens beyond which it computes its rotary frequencies otherwise; None where it never does.
        rope_type: the name of that method.
    """

    model: str
    ids: int
    positions: int | None
    has_table: bool = False
    changes_at: int | None = None
    rope_type: str = ""

    def findings(self, checks: PairChecks, noun: str = "pairs") -> Iterator[Finding]:
        """Yield the ways in which rows are beyond a limit, each with its remedy."""
        largest = int(checks["largest_id"].max())
        if largest >= self.ids:
            yield Finding(
                stops=True,
                text=f"{self.model}: config.json: vocab_size is {self.ids:,}, and the {noun} have token id {largest:,} "
                "(tokenizer.json); save the model again after model.resize_token_embeddings(len(tokenizer)), or with "
                "its own tokenizer",
            )
        lengths = checks["prompt_tokens"] + checks["chosen_tokens"].clip(min=checks["rejected_tokens"])
        yield from self.too_long(int(lengths.max()), f"the longest of the {noun} has")

    def too_long(self, longest: int, subject: str) -> Iterator[Finding]:
        """Yield the ways in which a length is beyond a limit.

        Args:
            longest: the length of a row's prompt with the longer one of its programs, in tokens.
            subject: the words before that number in the message.
        """
        where = f"{self.model}: config.json"
        if self.positions is not None and longest > self.positions:
            text = f"{where}: max_position_embeddings is {self.positions:,}; {subject} {longest:,} tokens"
            if self.has_table:
                text += ", which the model has no positions for"
            else:
                text += ": the model was never trained on such lengths"
            yield Finding(self.has_table, f"{text}; {_advice(self.positions)}")
        if self.changes_at is not None and longest > self.changes_at:
            text = (
                f"{where}: rope_type {self.rope_type!r} changes the frequencies of a whole batch beyond "
                f"{self.changes_at:,} tokens, and {subject} {longest:,}: a row's score would depend on "
                "the rest of its batch"
            )
            yield Finding(True, f"{text}; {_advice(self.changes_at)}")


def _advice(limit: int) -> str:
    return (
        f"lower training.max_length to {limit} and training.max_prompt_length below that, or drop long rows "
        "(pairs.max_tokens)"
    )


def read_limits(model: Path | str) -> ModelLimits:
    """Return the limits of a model folder or hub id, from its configuration.

    Raises:
        ModelError: the model cannot be had.
    """
    config = read_config(model)
    text = config.get_text_config()
    positions = getattr(text, "max_position_embeddings", None)
    positions = positions if isinstance(positions, int) and positions > 0 else None
    rope_type, changes_at = _changing_frequencies(text, positions)
    return ModelLimits(
        model=str(locate_model(model)),
        ids=text.vocab_size,
        positions=positions,
        has_table=positions is not None and _has_position_table(config, positions),
        changes_at=changes_at,
        rope_type=rope_type,
    )


def check_limits(limits: ModelLimits, checks: PairChecks, noun: str = "pairs") -> list[Finding]:
    """Return the findings that do not stop a training.

    Raises:
        ModelError: all findings that stop it.
    """
    findings = list(limits.findings(checks, noun))
    stopping = [finding.text for finding in findings if finding.stops]
    if stopping:
        raise ModelError("; ".join(stopping))
    return findings


def _has_position_table(config: PreTrainedConfig, positions: int) -> bool:
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    for name, table in chain(model.named_parameters(), model.named_buffers()):
        if _POSITIONS.search(name) and table.ndim == 2 and table.shape[0] in (positions, positions + _OFFSET):
            return True
    return False


def _changing_frequencies(config: PreTrainedConfig, positions: int | None) -> tuple[str, int | None]:
    """Return the rope type whose frequencies depend on a batch's longest text, and the length from which they do."""
    for rope in _rope_parameters(getattr(config, "rope_parameters", None)):
        rope_type = str(rope.get("rope_type", rope.get("type", "")))
        if "dynamic" in rope_type:
            return rope_type, positions
        if rope_type == "longrope":
            original = rope.get("original_max_position_embeddings")
            return rope_type, original or getattr(config, "original_max_position_embeddings", None) or positions
    return "", None


def _rope_parameters(parameters: Any) -> Iterator[dict[str, Any]]:
    """Yield the rope parameters of a model, of one that has several kinds of layers those of each."""
    if not isinstance(parameters, dict):
        return
    layers = [value for value in parameters.values() if isinstance(value, dict)]
    yield from layers or [parameters]
