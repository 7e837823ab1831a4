"""Name properties of a model that a trial on a batch does not show, as transformers 5 names them.

All else about an architecture, its attention, adapters and precision is found by running it (`parity`).
"""

import re

from transformers import PreTrainedConfig

from iterpref_core.models.pretrained.weights import state_layer

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


def against_fork(config: PreTrainedConfig, longest: int) -> str:
    """Return the setting for which a row with a shared prefix is not exact; empty without one.

    Its mask takes the place of a layer's window. And a layer that carries a state, or has a convolution, reads the
    program that lies before a suffix, which changes the suffix's first tokens alone, by less than a trial notices.

    Args:
        config: the model's.
        longest: the tokens of the longest prompt and program.

    >>> against_fork(PreTrainedConfig(sliding_window=8), 9), against_fork(PreTrainedConfig(sliding_window=9), 9)
    ('sliding_window: 8', '')
    >>> against_fork(PreTrainedConfig(layer_types=["conv", "full_attention"]), 9)
    'layer_types: conv'
    """
    for name, value in vars(config.get_text_config()).items():
        if type(value) is int and 0 < value < longest and SEES.search(name):
            return f"{name}: {value}"
    layer = state_layer(config)
    return f"layer_types: {layer}" if layer else ""
