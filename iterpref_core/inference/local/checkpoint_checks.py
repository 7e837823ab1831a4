"""Checkpoint checks: whether a model can be read, asked and trained, before anything is spent on it."""

from collections.abc import Sequence
from pathlib import Path

from transformers import PreTrainedConfig, PreTrainedTokenizerBase
from transformers.models.auto import modeling_auto

from iterpref_core.config import PromptStyle
from iterpref_core.errors import ModelError
from iterpref_core.inference.local.checkpoint_errors import reading
from iterpref_core.inference.local.checkpoints import ModelSource, pin_model, read_config
from iterpref_core.inference.local.tokenizers import load_tokenizer
from iterpref_core.inference.prompts import TEMPLATE_REMEDY, render_messages, render_prompt

_WORD = "iterpref"
"""What a chat template is tried on: it must stand in what the template makes of it."""


def check_checkpoint(
    model: Path | str, prompt: PromptStyle = "auto", *, loaded: bool = True, trained: bool = False
) -> Path | str:
    """Look at configuration, tokenizer, chat template, and whether all weights are there; numbers are not read.

    Args:
        model: a folder or hub id, or a stage's folder that points at one.
        prompt: whether the model reads prompts in its chat template.
        loaded: whether this process will load its weights; those of a hub id are downloaded then.
        trained: whether it will be trained.

    Returns:
        The model; a hub id with the commit that was looked at, so that all who read it from then on read the same.

    Raises:
        ModelError: what is wrong first.
    """
    source = pin_model(model)
    config = read_config(str(source))
    _check_kind(source, config)
    tokenizer = load_tokenizer(str(source), prompt)
    if tokenizer.eos_token_id is None:
        raise ModelError(
            f"{source}: its tokenizer has no end token, so no answer would end; name one as eos_token in "
            "tokenizer_config.json"
        )
    rendered = [_WORD] if tokenizer.chat_template is None else _render(source, tokenizer)
    _check_vocabulary(source, config, tokenizer, rendered)
    quantized = _check_quantization(source, config, loaded=loaded, trained=trained)
    if loaded and not quantized:  # whose modules cannot be made without their weights
        from iterpref_core.inference.local.weights import check_weights

        check_weights(str(source))
    return model if Path(source.name_or_path).is_dir() else str(source)


def _check_kind(source: ModelSource, config: PreTrainedConfig) -> None:
    """Decoders alone: what else transformers would make a decoder of answers without sense, and without an error."""
    kind = config.model_type
    if getattr(config, "is_encoder_decoder", False):
        reason = "an encoder-decoder"
    elif kind in modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES and not getattr(config, "is_decoder", False):
        reason = "an encoder, in which every token sees those behind it"
    elif kind not in modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        reason = "nothing that transformers generates text with"
    else:
        return
    raise ModelError(f"{source}: is {reason} (model_type {kind!r} in config.json); name a causal language model")


def _render(source: ModelSource, tokenizer: PreTrainedTokenizerBase) -> list[str]:
    asked = {"role": "user", "content": _WORD}
    answered = [asked, {"role": "assistant", "content": _WORD}]
    rendered = [render_prompt(tokenizer, _WORD), render_messages(tokenizer, answered)]
    if not all(_WORD in text for text in rendered):
        raise ModelError(f"{source}: its chat template does not show the message; {TEMPLATE_REMEDY}")
    return rendered


def _check_vocabulary(
    source: ModelSource, config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase, rendered: Sequence[str]
) -> None:
    """Tokens that can come up must have a row in the embedding; Gemma 3, for one, has a special token that cannot."""
    with reading(source, "config.json"):
        rows = config.get_text_config().vocab_size
    special = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    spoken = {tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.unk_token_id} - {None}
    spoken.update(*tokenizer(list(rendered))["input_ids"])
    beyond = {n for n in tokenizer.get_vocab().values() if n >= rows and (n not in special or n in spoken)}
    if beyond:
        names = ", ".join(map(repr, tokenizer.convert_ids_to_tokens(sorted(beyond)[:3])))
        raise ModelError(
            f"{source}: its tokenizer has {len(beyond)} tokens ({names}) beyond the {rows:,} of its embedding "
            "(vocab_size in config.json); put the tokenizer of these weights there, or resize the embedding"
        )


def _check_quantization(source: ModelSource, config: PreTrainedConfig, *, loaded: bool, trained: bool) -> bool:
    from transformers.quantizers.auto import AutoHfQuantizer

    settings = getattr(config, "quantization_config", None)
    if settings is None:
        return False
    if trained:
        name = settings.get("quant_method", "quantization_config in config.json")
        raise ModelError(
            f"{source}: its weights are quantized ({name}), which can be asked but not trained; name the checkpoint "
            "that it was made from"
        )
    if loaded:
        with reading(source, "quantized weights"):
            AutoHfQuantizer.from_config(settings, pre_quantized=True).validate_environment(device_map=None)
    return True
