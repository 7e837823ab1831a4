"""Tokenizers, for those who need no model: nothing here imports PyTorch."""

from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from iterpref_core.config import PromptStyle
from iterpref_core.errors import ModelError
from iterpref_core.inference.local.checkpoint_errors import reading
from iterpref_core.inference.local.checkpoints import locate_model


def load_tokenizer(
    model: Path | str, prompt: PromptStyle = "auto", *, local_only: bool = False
) -> PreTrainedTokenizerBase:
    """The tokenizer of a model folder or hub id.

    Base models ship a chat template that they were never trained on. With `prompt: plain` it is taken off here, once:
    whoever renders, evaluates or saves with this tokenizer agrees, and a model trained with it is saved without one.
    `local_only`: nothing is downloaded.

    Raises:
        ModelError: there is none, or it cannot be read.
    """
    source = locate_model(model)
    with reading(source, "tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(
            source.name_or_path, revision=source.revision, local_files_only=local_only, trust_remote_code=False
        )
    if not tokenizer("x", add_special_tokens=False)["input_ids"]:  # made from config.json alone, without any words
        raise ModelError(
            f"{source}: no usable tokenizer (it has no vocabulary); put its tokenizer.json beside config.json"
        )
    if prompt == "plain":
        tokenizer.chat_template = None
    return tokenizer
