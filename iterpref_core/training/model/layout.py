"""Layout of a model's rows: prefixes are shared where every attention layer is known to see a whole pair.

The mask of a row of several pairs takes the place of a layer's own. A layer that sees less than all earlier tokens, as
in chunks or in a window shorter than a pair, would see more than it was trained to; a layer with a state would see
another pair. No short probe shows that, so a kind of model has to be known.
"""

import logging
from collections.abc import Sequence
from typing import Any

from torch.utils.data import Subset
from transformers import PreTrainedConfig

from iterpref_core.records.config import Layout
from iterpref_core.training.data.tokenized_dataset import TokenizedDataset
from iterpref_core.training.data.tokenized_pair import TokenizedPair

logger = logging.getLogger(__name__)

_KNOWN = frozenset(
    {
        "cohere",
        "cohere2",
        "deepseek_v2",
        "deepseek_v3",
        "ernie4_5",
        "exaone4",
        "gemma",
        "gemma2",
        "gemma3_text",
        "glm",
        "glm4",
        "gpt2",
        "gpt_bigcode",
        "gpt_neox",
        "gptj",
        "granite",
        "granitemoe",
        "helium",
        "llama",
        "ministral",
        "mistral",
        "mixtral",
        "nemotron",
        "olmo",
        "olmo2",
        "olmo3",
        "olmoe",
        "phi",
        "phi3",
        "qwen2",
        "qwen2_moe",
        "qwen3",
        "qwen3_moe",
        "seed_oss",
        "smollm3",
        "stablelm",
        "starcoder2",
    }
)
"""Kinds of models (`model_type`) whose attention is full, or full within `sliding_window`, in transformers' code."""
_LAYERS = {"full_attention", "sliding_attention"}
"""Kinds of layers (`layer_types`) that are full, or full within `sliding_window`."""


def choose_layout(config: PreTrainedConfig, layout: Layout, longest: int) -> Layout:
    """Return the layout in which a model's pairs are exact, and warn where that is another than the one asked for.

    Args:
        config: the model's.
        layout: the one asked for.
        longest: the tokens of the longest prompt and program.
    """
    if layout == "padded":
        return layout
    reason = _why_padded(config.get_text_config(), longest)
    if reason is None:
        return layout
    logger.warning("training.layout: padded instead of fork, which is faster: %s", reason)
    return "padded"


def _why_padded(config: PreTrainedConfig, longest: int) -> str | None:
    """Return why shared prefixes are not known to be exact; None where they are."""
    kind = config.model_type
    if kind not in _KNOWN:
        return f"the attention of {kind} is not known to see all tokens of a pair"
    layers = set(getattr(config, "layer_types", None) or ())
    if layers - _LAYERS:
        return f"{kind} has layers of {', '.join(sorted(layers - _LAYERS))}"
    window = getattr(config, "sliding_window", None)
    slides = not layers or "sliding_attention" in layers
    if slides and window and window < longest:
        return f"the longest pair has {longest} tokens, and the window of {kind} {window}"
    return None


def longest_pair(rows: Sequence[TokenizedPair] | Subset[TokenizedPair] | Any) -> int:
    """Return the tokens of the longest prompt and program among all pairs; of a subset on disk, in all of its file."""
    if isinstance(rows, Subset):
        return longest_pair(rows.dataset)
    if isinstance(rows, TokenizedDataset):
        return int(rows.totals.max())
    return max((row.length for row in rows), default=0)
