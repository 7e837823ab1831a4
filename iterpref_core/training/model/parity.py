"""Parity of a model in training with its own logits: no noise, no look ahead, and equal log-probabilities.

At the first step policy and reference are the same weights, so K+ = K- = 0 (arXiv 2503.02783, section 3.3) and the loss
is log 2 + alpha NLL. That holds only if a forward pass in training mode equals one in evaluation, if the label head
agrees with the model's logits, and if a suffix after a shared prefix (layout `fork`) equals a row of its own. The code
of each architecture is tried on one probe pair, before anything is computed for real. The probe is as long as the
longest pair: a window, or chunks, would be seen in no shorter one.
"""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from inspect import signature
from typing import Any

import torch
from peft import PeftModel
from transformers import PreTrainedModel

from iterpref_core.records import OBJECTIVES, ConfigError, Layout, ModelError, first_line

from ..data.batches import PAD_TO_MULTIPLE_OF, Collator
from ..data.tokenized_pair import TokenizedPair
from .attention import choose_attention
from .label_head import add_label_head, base_of, batch_logps
from .unseen import RANDOM, against_fork

logger = logging.getLogger(__name__)

_TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-5}  # the label head adds up in float32
_ROUNDING = 0.02
"""Nats in half precision, where the control allows less."""
_AS_THE_CONTROL = 3.0
"""The multiple of the control's difference that a suffix's may reach: the control cannot be computed wrongly."""

_FAILURES = (RuntimeError, ValueError, TypeError, IndexError, AttributeError, AssertionError)
"""Errors that models raise on inputs that their code has no place for."""

_ROUTER = "PhimoeTopKRouter"
"""The router of Phi-MoE (transformers 5)."""

_SHARED, _DIFFERENT, _REST = 4, 3, 5
"""Tokens of the probe's programs: the beginning of both, their difference, the end of both."""


@contextmanager
def silent(model: torch.nn.Module, *, adapters: bool = False) -> Iterator[None]:
    """Switch off a model's own noise in training for a while: modules, numbers in modules, and configuration.

    StarCoder2, for one, has no dropout modules but calls the function with a number of its configuration.

    Args:
        model: in training mode.
        adapters: also switch off the dropout of adapters (`lora_dropout`), which was asked for.
    """
    noise = []
    for holder, name, quiet in _noise(model, adapters=adapters):
        noise.append((holder, name, getattr(holder, name)))
        setattr(holder, name, quiet)
    try:
        yield
    finally:
        # A number that was met twice was 0 the second time, so the first value is restored last.
        for holder, name, value in reversed(noise):
            setattr(holder, name, value)


def _noise(model: torch.nn.Module, *, adapters: bool) -> Iterator[tuple[Any, str, Any]]:
    """Yield what makes a forward pass random, by its holder and name, with a value that does not."""
    kept = set[int]()
    if not adapters:
        for layer in model.modules():
            kept.update(map(id, getattr(layer, "lora_dropout", torch.nn.ModuleDict()).values()))
    # Most modules share one configuration.
    configs = {id(module.config): module.config for module in model.modules() if hasattr(module, "config")}
    for holder in (*model.modules(), *_nested(configs.values())):
        if id(holder) in kept:
            continue
        # The router reads the number of its noise also where it answers, so in training it works as in answering.
        if type(holder).__name__ == _ROUTER:
            yield holder, "training", False
            yield holder, "train", lambda *_: None
            continue
        dropout = isinstance(holder, torch.nn.modules.dropout._DropoutNd)  # noqa: SLF001 - the base class of all of them
        for name, value in list(vars(holder).items()):
            if isinstance(value, float) and (RANDOM.search(name) or (dropout and name == "p")):
                yield holder, name, 0.0


def _nested(configs: Iterable[Any]) -> Iterator[Any]:
    """Yield configurations and those inside of them."""
    for config in configs:
        yield config
        inner = [value for value in vars(config).values() if hasattr(value, "to_diff_dict")]
        yield from _nested(inner)


def exact_layout(model: PreTrainedModel | PeftModel, layout: Layout, longest: int) -> Layout:
    """Try a model, as `check_parity` does, with the attention of a layout, and return a layout that is exact for it.

    Args:
        model: gets the attention of the layout, and a label head.
        layout: the one asked for.
        longest: the tokens of the longest prompt and program.

    Raises:
        ModelError: no layout is exact.
        ConfigError: the model cannot be run with any.
    """
    base = base_of(model)
    own = base.config._attn_implementation  # noqa: SLF001 - transformers offers no other way to ask
    if layout == "fork":
        choose_attention(base, longest)
        try:
            check_parity(model, layout, longest)
            return layout
        except ConfigError as error:
            logger.warning("training.layout: padded instead of fork, which is faster: %s", error)
            base.set_attn_implementation(own)
    check_parity(model, "padded", longest)
    return "padded"


@torch.no_grad()
def check_parity(
    policy: PreTrainedModel | PeftModel,
    layout: Layout,
    longest: int,
    model: Any = None,
    dtype: torch.dtype | None = None,
) -> None:
    """Compare, in training mode, the log-probabilities of a probe pair in training with the model's logits.

    In half precision logits are rounded, by how much depends on the model: a rejected suffix of the layout `fork`
    is then held against the chosen program of the same row, which no mask separates from a row of its own. If it
    differs by more, the comparison in float32 decides.

    Args:
        policy: with adapters that have no effect yet, or without adapters; it gets a label head.
        layout: how pairs are laid out.
        longest: the tokens of the longest prompt and program.
        model: the policy as it is prepared for training, where weights are sharded.
        dtype: of matrix products; the policy's without autocast.

    Raises:
        ModelError: the model draws random numbers, sees later tokens, cannot be run on tokens alone, or
            does something to its logits that the label head does not know.
        ConfigError: a rejected suffix of the layout `fork` differs from a row of its own, or may do so unseen.
    """
    reason = against_fork(policy.config, longest)
    if layout == "fork" and reason:
        raise ConfigError(
            f"{policy.config.model_type} has {reason}, and the longest pair {longest} tokens; set "
            "training.layout: padded"
        )
    policy.train()
    with silent(policy, adapters=True):
        _compare_with_logits(policy, layout, longest, model, dtype)


def _compare_with_logits(
    policy: PreTrainedModel | PeftModel,
    layout: Layout,
    longest: int,
    model: Any,
    dtype: torch.dtype | None,
) -> None:
    """Compare as `check_parity` does, for a model without noise."""
    called = policy if model is None else model
    config = policy.config
    kind = config.model_type
    # 8 bits round as float16 does, and weights do not show it.
    precision = dtype or (torch.float16 if getattr(base_of(policy), "is_loaded_in_8bit", False) else policy.dtype)
    # The probe has no special tokens, and is as long as the longest pair.
    pair = _probe_pair(config.get_text_config().vocab_size, longest)
    # What the model's own logits give, each program in a row of its own.
    expected_chosen, expected_rejected = _from_logits(policy, called, pair, precision)
    add_label_head(policy)
    collate = Collator(OBJECTIVES["target-dpo"], layout, 0, PAD_TO_MULTIPLE_OF, unscored=True)
    batch = {name: values.to(policy.device) for name, values in collate([pair]).items()}
    try:
        logps = batch_logps(called, batch, config)
    except _FAILURES as error:
        remedy = "set training.layout: padded" if layout == "fork" else "train another model"
        raise ConfigError(
            f"params.yaml: training.layout: {layout}: {kind} cannot be run with it ({first_line(error)}); {remedy}"
        ) from None
    chosen = logps[batch["w_chosen"] > 0]
    rejected = logps[batch["w_rejected"] > 0]
    # The chosen program is plainly causal in both layouts: it is the control of the suffix.
    of_chosen = _difference(chosen, expected_chosen, precision)
    of_suffix = _difference(rejected, expected_rejected[_SHARED:], precision)
    if of_chosen > rounding_scale(expected_chosen, precision):
        if layout == "fork":
            # Where the head is to blame, the other layout is refused in the words below.
            _compare_with_logits(policy, "padded", longest, model, dtype)
            raise ConfigError(
                f"params.yaml: training.layout: fork: {kind} computes a pair of {longest} tokens differently from a "
                "row of its own, because a layer does not use the given mask; set training.layout: padded"
            )
        raise ModelError(
            f"{kind}: it changes its logits in a way that training does not support, which makes log-probabilities "
            "wrong; train another model"
        )
    if of_suffix > max(_TOLERANCE.get(precision, _ROUNDING), _AS_THE_CONTROL * of_chosen):
        if model is None and _is_plain_half(policy) and _is_exact_in_float32(policy, layout, longest):
            return
        raise ConfigError(
            f"params.yaml: training.layout: {layout}: {kind} computes a program after a shared prefix differently "
            "from a row of its own, because it does not use the given mask or positions; set training.layout: padded"
        )


def _is_plain_half(policy: PreTrainedModel | PeftModel) -> bool:
    """Return True if a model has weights of half precision, and none that are quantized."""
    dtypes = {weight.dtype for weight in policy.parameters()}
    half = {torch.bfloat16, torch.float16}
    return bool(dtypes & half) and dtypes <= half | {torch.float32}


def _is_exact_in_float32(policy: PreTrainedModel | PeftModel, layout: Layout, longest: int) -> bool:
    """Compare once more with the weights in float32, which rounding leaves no doubt about.

    The control of half precision shows how far rounding goes only if it is rounded otherwise than the row that it is
    compared with. It is 0 where both are the same computation. Twice the memory of the weights is needed; without it
    the answer is False.
    """
    dtypes = [(weight, weight.dtype) for weight in policy.parameters()]
    try:
        for weight, _ in dtypes:
            weight.data = weight.data.float()
        _compare_with_logits(policy, layout, longest, None, torch.float32)
    except (ConfigError, torch.OutOfMemoryError):
        return False
    finally:
        # Half precision goes there and back without a change.
        for weight, dtype in dtypes:
            weight.data = weight.data.to(dtype)
    return True


def _probe_pair(vocabulary: int, longest: int) -> TokenizedPair:
    """Return a pair of token ids from the middle of the vocabulary, where no special token is.

    Args:
        vocabulary: the number of token ids.
        longest: the tokens of the prompt with one program; the programs have 12.
    """
    prompt_tokens = max(1, longest - _SHARED - _DIFFERENT - _REST)
    sizes = (prompt_tokens, _SHARED, _REST, _DIFFERENT, _DIFFERENT)
    random = torch.Generator().manual_seed(0)
    edge = vocabulary // 4
    drawn = torch.randint(edge, vocabulary - edge, (sum(sizes),), generator=random)
    prompt, start, rest, right, wrong = (part.tolist() for part in drawn.split(sizes))
    focal = [0] * _SHARED + [1] * (_DIFFERENT + _REST)
    return TokenizedPair(prompt, start + right + rest, start + wrong + rest, focal, focal)


def _from_logits(
    policy: PreTrainedModel | PeftModel, called: Any, pair: TokenizedPair, dtype: torch.dtype
) -> list[torch.Tensor]:
    """Return log-probabilities of the tokens of both programs, (T,) each, from the logits of a forward pass each.

    Raises:
        ModelError: two passes differ, or tokens see later ones, or a pass fails.
    """
    kind = policy.config.model_type
    prompt = pair.prompt_ids
    keeps_last_logits = "logits_to_keep" in signature(base_of(policy).forward).parameters

    def logits_of(program: list[int]) -> torch.Tensor:
        # From the prompt's last token on: three times all logits of a long prompt would be gigabytes.
        kept = len(program) + 1
        options = {"logits_to_keep": kept} if keeps_last_logits else {}
        row = torch.tensor([prompt + program], device=policy.device)
        logits: torch.Tensor = called(input_ids=row, use_cache=False, **options).logits
        return logits[0, -kept:].float()

    programs = (pair.chosen_ids, pair.rejected_ids)
    try:
        chosen, rejected, again = map(logits_of, (*programs, pair.chosen_ids))
    except _FAILURES as error:
        raise ModelError(
            f"{kind}: cannot be run on tokens alone, {pair.length:,} of them ({first_line(error)}); train a "
            "causal language model, on rows that it has positions for (training.max_length)"
        ) from None
    # Training itself reports numbers that are not finite.
    if not torch.equal(chosen.nan_to_num(), again.nan_to_num()):
        raise ModelError(
            f"{kind}: two forward passes in training mode differ, because it draws random numbers that no setting "
            "switches off, so that noise would separate policy and reference; train another model"
        )
    if _difference(chosen[:_SHARED], rejected[:_SHARED], dtype) > rounding_scale(chosen, dtype):
        raise ModelError(
            f"{kind}: its predictions depend on later tokens, as in an encoder (BERT); train a causal "
            "language model, or set is_decoder in its config.json"
        )
    # The logits at a token predict the next token.
    scored = zip((chosen, rejected), programs, strict=True)
    return [logits[:-1].log_softmax(dim=-1)[range(len(program)), program] for logits, program in scored]


def _difference(first: torch.Tensor, second: torch.Tensor, dtype: torch.dtype) -> float:
    """Return the largest difference; in half precision, where a token may take another expert, the median."""
    differences = (first - second).abs()
    if not len(first):
        return 0.0
    return float(differences.max() if dtype in _TOLERANCE else differences.median())


def rounding_scale(values: torch.Tensor, dtype: torch.dtype) -> float:
    """Return the change that rounding may make to logits or log-probabilities, in half precision by the largest."""
    if dtype in _TOLERANCE:
        return _TOLERANCE[dtype]
    return max(0.3, 4 * torch.finfo(dtype).eps * float(values.abs().max()))
