"""Name properties of a model that a trial on a batch does not show, as transformers 5 names them.

All else about an architecture, its attention, adapters and precision is found by running it (`parity`).
"""

import re

from transformers import PreTrainedConfig

SEES = re.compile(r"window(_size|_len)?$|attention_chunk_size$|attn_chunk_length$")
"""The ends of the names of settings that limit how many tokens a layer sees.

Where a window is a little narrower than a pair, the hidden tokens move a probability by less than a comparison
notices.
"""
CHANGING_ROPE = ("dynamic", "longrope")
"""Kinds of rotary frequencies that depend on the longest row of a batch: one batch has one longest row."""
RANDOM = re.compile("drop|jitter|noise")
"""A part of the names of all settings that make a forward pass random: attn_pdrop, layerdrop, router_jitter_noise.

A trial shows that two passes differ, and not which setting is to be switched off.
"""


def narrow_window(config: PreTrainedConfig, longest: int) -> str:
    """Return the setting that lets some layer see less than a whole pair; empty if all see it.

    The mask of a row with a shared prefix takes the place of a layer's own.

    Args:
        config: the model's.
        longest: the tokens of the longest prompt and program.

    >>> narrow_window(PreTrainedConfig(sliding_window=8), 9), narrow_window(PreTrainedConfig(sliding_window=9), 9)
    ('sliding_window: 8', '')
    """
    for name, value in vars(config.get_text_config()).items():
        if type(value) is int and 0 < value < longest and SEES.search(name):
            return f"{name}: {value}"
    return ""
