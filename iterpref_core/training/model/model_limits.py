"""Compare the ids and lengths of rows with the limits of a model."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from iterpref_core.models.pretrained.checkpoints import locate_model, read_config

from ..data.measures import Finding, PairMeasures
from .unseen import CHANGING_ROPE


def limit_findings(model: Path | str, checks: PairMeasures) -> Iterator[Finding]:
    """Yield each limit of a model that rows exceed, with its remedy.

    Tables of positions, such as GPT-2's, are not checked here: `parity` runs the model on a row as long as the longest.

    Args:
        model: whose configuration has the limits; a folder or hub id.
        checks: of the rows.
    """
    config = read_config(model).get_text_config()
    where = f"{locate_model(model)}: config.json"
    longest = int(checks.row_tokens.max())
    largest_id = int(checks["largest_id"].max())
    advice = "lower training.max_length and training.max_prompt_length, or drop long rows (pairs.max_tokens)"
    if largest_id >= config.vocab_size:
        yield Finding(
            stops=True,
            text=f"{where}: vocab_size is {config.vocab_size:,}, and there is a token id {largest_id:,} "
            "(tokenizer.json); save the model again after model.resize_token_embeddings(len(tokenizer)), or with its "
            "own tokenizer",
        )
    positions = getattr(config, "max_position_embeddings", None) or 0
    if 0 < positions < longest:
        yield Finding(
            stops=False,
            text=f"{where}: max_position_embeddings is {positions:,}, and rows may have {longest:,} tokens: the model "
            f"was never trained on these lengths; {advice}",
        )
    for rope in _rope_parameters(getattr(config, "rope_parameters", None)):
        kind = str(rope.get("rope_type"))
        original = rope.get("original_max_position_embeddings")
        limit = original or getattr(config, "original_max_position_embeddings", None) or positions
        if kind in CHANGING_ROPE and 0 < limit < longest:
            yield Finding(
                stops=True,
                text=f"{where}: rope_type {kind!r} changes the frequencies of a whole batch beyond {limit:,} tokens, "
                f"and rows may have {longest:,}: a row's score would depend on the rest of its batch; {advice}",
            )


def _rope_parameters(parameters: Any) -> Iterator[dict[str, Any]]:
    """Yield the rope parameters of a model, for each kind of its layers."""
    if not isinstance(parameters, dict):
        return
    layers = [value for value in parameters.values() if isinstance(value, dict)]
    yield from layers or [parameters]
