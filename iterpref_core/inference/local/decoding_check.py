"""Decoding check: whether a model continues a text, with its cache and in a batch, as its own logits say.

What an architecture's code does about caches and padding is tried on two made-up texts when a model is loaded: an
encoder (BERT) reads tokens that come later, and some models take a token's position from where it stands in a padded
row (BART), or carry padding along in a state (RWKV), so that an answer depends on what else is in its batch.
"""

import torch
from torch.nn.functional import pad
from transformers import PreTrainedModel

from iterpref_core.errors import ModelError, first_line
from iterpref_core.inference.local.growing_cache import growing_cache

_TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-6}
_COARSE = 0.1
"""Nats, in half precision: rounding, which depends on the shape of a batch."""
_LENGTHS, _NEW = (7, 4), 3
"""Tokens of the made-up texts, and new ones."""


@torch.inference_mode()
def check_decoding(model: PreTrainedModel) -> bool:
    """Compare the logits of greedy decoding with those of forward passes without a cache.

    Args:
        model: as it is about to generate, in evaluation mode.

    Returns:
        Whether texts of different lengths can share a batch, padded on the left.

    Raises:
        ModelError: its code cannot generate, or gives other logits than its forward pass.
    """
    kind, vocabulary = model.config.model_type, model.config.get_text_config().vocab_size
    random = torch.Generator().manual_seed(0)
    rows = [
        # From the middle of the vocabulary, where no special token is.
        torch.randint(vocabulary // 4, vocabulary - vocabulary // 4, (1, size), generator=random).to(model.device)
        for size in _LENGTHS
    ]
    try:
        alone = [_decode(model, row, torch.ones_like(row)) for row in rows]
        expected = [model(input_ids=text[:, :-1], use_cache=False).logits[0, -_NEW:] for text, _ in alone]
    except Exception as error:  # noqa: BLE001 - whatever a model's own code raises
        raise ModelError(
            f"{kind}: cannot generate text from tokens alone ({first_line(error)}); use another model"
        ) from None
    found = [logits[:, 0] for _, logits in alone]
    if any(_differ(*pair, model.dtype) for pair in zip(found, expected, strict=True)):
        raise ModelError(
            f"{kind}: a token that it generates depends on more than the text before it, as in an encoder (BERT); use "
            "a causal language model, or set is_decoder in its config.json"
        )
    return _can_pad(model, rows, found)


def _can_pad(model: PreTrainedModel, rows: list[torch.Tensor], alone: list[torch.Tensor]) -> bool:
    widths = [max(_LENGTHS) - row.shape[1] for row in rows]
    padded = [torch.cat([pad(make(row), (width, 0)) for row, width in zip(rows, widths, strict=True)])
              for make in (torch.clone, torch.ones_like)]  # fmt: skip
    _, logits = _decode(model, *padded)
    return not any(_differ(logits[:, place], expected, model.dtype) for place, expected in enumerate(alone))


def _decode(model: PreTrainedModel, rows: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Texts with new tokens, (rows, tokens), and the logits of these, (new tokens, rows, vocabulary)."""
    found = model.generate(
        input_ids=rows,
        attention_mask=mask,
        past_key_values=growing_cache(model),
        min_new_tokens=_NEW,
        max_new_tokens=_NEW,
        pad_token_id=0,
        output_logits=True,
        return_dict_in_generate=True,
    )
    return found.sequences, torch.stack(found.logits)


def _differ(one: torch.Tensor, other: torch.Tensor, dtype: torch.dtype) -> bool:
    """Whether logits, (new tokens, vocabulary), differ at a token.

    In half precision at most tokens: there one now and then takes another expert.
    """
    apart = (one.float().log_softmax(-1) - other.float().log_softmax(-1)).abs().median(dim=-1).values
    tolerance = _TOLERANCE.get(dtype)
    return not (apart.median() <= _COARSE if tolerance is None else apart.max() <= tolerance)
