"""Name properties of a model that a trial on a batch does not show, as transformers 5.23 names them.

All else about an architecture, its attention, adapters and precision is found by running it (`parity`).
"""

import re

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
