"""Exactness of a model in training: no randomness, attention to what is before alone, and its own log-probabilities.

At the first step policy and reference are the same weights, so K+ = K- = 0 (arXiv 2503.02783, section 3.3) and the loss
is log 2 + alpha NLL. That holds only where a forward pass in training mode computes what one in evaluation does, where
the label head gives what the model's logits give, and where a branch of the layout `fork` is what it is in a row of its
own. What an architecture's code does about it is tried on one made-up pair, before anything is computed for real.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from peft import PeftModel
from transformers import PreTrainedModel

from iterpref_core.errors import ConfigError, ModelError, first_line
from iterpref_core.training.attention import attention_mask
from iterpref_core.training.label_head import add_label_head
from iterpref_core.training.layouts import Collator, Pair

_RANDOM = re.compile("drop|jitter|noise")
"""In the names of all settings that make a forward pass random: attn_pdrop, layerdrop, router_jitter_noise, ..."""
_TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-6}
_COARSE = 0.3
"""Nats, in half precision: rounding, and experts that are chosen otherwise because of it."""

_FAILURES = (RuntimeError, ValueError, TypeError, IndexError, AttributeError, AssertionError)
"""What models raise on inputs that their code has no place for."""

_PROMPT, _SHARED, _DIFFERENT, _REST = 6, 4, 3, 5
"""Tokens of the made-up pair: prompt, what both programs begin with, where they differ, what both end with."""


def switch_off_randomness(model: torch.nn.Module) -> None:
    """Dropout and every other noise of training, whatever its form: modules, numbers in modules, and configuration.

    TRL removes `nn.Dropout` modules. StarCoder2, for one, calls the function with a number of its configuration.
    """
    configs = {id(module.config): module.config for module in model.modules() if hasattr(module, "config")}
    for holder in (*model.modules(), *_nested(configs.values())):
        if isinstance(holder, torch.nn.modules.dropout._DropoutNd):  # noqa: SLF001 - the base class of all of them
            holder.p = 0.0
        for name, value in list(vars(holder).items()):
            if isinstance(value, float) and _RANDOM.search(name):
                setattr(holder, name, 0.0)


def _nested(configs: Iterable[Any]) -> Iterator[Any]:
    """Configurations and those inside of them."""
    for config in configs:
        yield config
        yield from _nested([value for value in vars(config).values() if hasattr(value, "to_diff_dict")])


def check_exactness(model: PreTrainedModel | PeftModel, collator: Collator, layout: str) -> None:
    """Compare, in training mode, what training computes of a made-up pair with what the model's own logits say.

    Args:
        model: the policy, with or without adapters that change nothing yet, wholly on one device; it gets a label head.
        collator: lays pairs out.
        layout: its name, for messages.

    Raises:
        ModelError: the model draws random numbers, sees what stands behind a token, cannot be run on tokens alone, or
            does something to its logits that the label head does not know.
        ConfigError: a branch of the layout `fork` is not what it is in a row of its own.
    """
    switch_off_randomness(model)
    kind, was_training = model.config.model_type, model.training
    model.train()
    try:
        with torch.no_grad():
            pair = _made_up_pair(model.config.get_text_config().vocab_size)
            plain = _from_logits(model, pair, kind)
            pair |= {"ref_chosen_token_logps": plain[0].tolist(), "ref_rejected_token_logps": plain[1].tolist()}
            _check_layout(model, collator, pair, layout, kind)
    finally:
        model.train(was_training)


def check_adapters(model: PeftModel, collator: Collator, layout: str) -> None:
    """`check_exactness` of a model with fresh adapters, which change nothing until the first step.

    Raises:
        ConfigError: the model cannot be run with them, as where a router of experts is taken for a plain layer.
    """
    try:
        check_exactness(model, collator, layout)
    except (ConfigError, ModelError) as error:
        raise ConfigError(
            f"params.yaml: training.lora_rank: with adapters this model cannot be trained: {error}, or set "
            "training.lora_rank: 0 to train all weights"
        ) from None


def _made_up_pair(vocabulary: int) -> Pair:
    """Token ids from the middle of the vocabulary, where no special token is."""
    random = torch.Generator().manual_seed(0)
    drawn = torch.randint(vocabulary // 4, vocabulary - vocabulary // 4, (40,), generator=random).tolist()
    tokens = iter(drawn)
    prompt, start, rest = ([next(tokens) for _ in range(size)] for size in (_PROMPT, _SHARED, _REST))
    right, wrong = ([next(tokens) for _ in range(_DIFFERENT)] for _ in range(2))
    size = _SHARED + _DIFFERENT + _REST
    return {
        "prompt_ids": prompt,
        "chosen_ids": start + right + rest,
        "rejected_ids": start + wrong + rest,
        "chosen_weights": [1] * size,
        "rejected_weights": [0] * _SHARED + [1] * (_DIFFERENT + _REST),
        "nll_weights": [1] * size,
    }


def _from_logits(model: PreTrainedModel | PeftModel, pair: Pair, kind: str) -> list[torch.Tensor]:
    """Log-probabilities of the tokens of both programs, (T,) each, from the logits of a forward pass each.

    Raises:
        ModelError: two passes differ, or tokens see what stands behind them, or there is no pass at all.
    """
    prompt = pair["prompt_ids"]
    rows = [torch.tensor([prompt + pair[side]], device=model.device) for side in ("chosen_ids", "rejected_ids")]
    try:
        logits = [model(input_ids=row, use_cache=False).logits[0].float() for row in (*rows, rows[0])]
    except _FAILURES as error:
        raise ModelError(
            f"{kind}: cannot be run on tokens alone ({first_line(error)}); train a causal language model"
        ) from None
    chosen, rejected, again = logits
    if not torch.equal(chosen.nan_to_num(), again.nan_to_num()):  # what is no number, training itself will tell
        raise ModelError(
            f"{kind}: two forward passes in training mode differ, so its code draws random numbers that no setting "
            "switches off; the policy would differ from its reference by noise: train another model"
        )
    before = len(prompt) + _SHARED - 1
    if _differ(chosen[:before], rejected[:before], model.dtype):
        raise ModelError(
            f"{kind}: what it predicts depends on tokens that come later, as in an encoder (BERT); train a causal "
            "language model, or set is_decoder in its config.json"
        )
    scores = [out.log_softmax(dim=-1)[len(prompt) - 1 : -1] for out in (chosen, rejected)]
    return [score.gather(1, row[0, len(prompt) :, None])[:, 0] for score, row in zip(scores, rows, strict=True)]


def _check_layout(model: PreTrainedModel | PeftModel, collator: Collator, pair: Pair, layout: str, kind: str) -> None:
    add_label_head(model.get_base_model() if isinstance(model, PeftModel) else model)
    batch = {name: values.to(model.device) for name, values in collator([pair]).items()}
    names = ("input_ids", "position_ids", "label_slots", "label_targets")
    try:
        attention = model.config._attn_implementation  # noqa: SLF001 - transformers offers no other way to ask
        mask = attention_mask(batch["visible"], attention) if "visible" in batch else batch["attention_mask"]
        found = model(attention_mask=mask, use_cache=False, **{name: batch[name] for name in names})
    except _FAILURES as error:
        raise ConfigError(
            f"params.yaml: training.layout: {layout}: {kind} cannot be run so ({first_line(error)}); "
            + ("set training.layout: padded" if layout == "fork" else "train another model")
        ) from None
    chosen, rejected = (batch[side] > 0 for side in ("chosen_weights", "rejected_weights"))
    if _differ(found[chosen], batch["ref_logps"][chosen], model.dtype):
        raise ModelError(
            f"{kind}: training's log-probabilities are not those of its logits, to which it does something that "
            "training does not know; train another model"
        )
    if _differ(found[rejected], batch["ref_logps"][rejected], model.dtype):
        raise ConfigError(
            f"params.yaml: training.layout: {layout}: {kind} computes a branch otherwise than a row of its own, since "
            "it takes its mask or its positions from elsewhere; set training.layout: padded"
        )


def _differ(one: torch.Tensor, other: torch.Tensor, dtype: torch.dtype) -> bool:
    """By the median: in half precision a token now and then takes another expert."""
    return bool(len(one)) and float((one - other).abs().median()) > _TOLERANCE.get(dtype, _COARSE)
