"""Load tokenizers that split text as tokenizer.json describes, with a chat template or without."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast
from transformers.utils import cached_file

from iterpref_core.records import ModelError, PromptFormat, TemplateUse, model_errors

from .chat_template import ChatTemplate
from .checkpoints import ModelSource, locate_model

_READS_TEXT = ("normalizer", "pre_tokenizer", "decoder")
"""Parts of tokenizer.json that some classes of transformers replace by their own."""


def load_tokenizer(model: Path | str, prompt: TemplateUse = "auto") -> PreTrainedTokenizerBase:
    """Return the tokenizer of a model folder or hub id.

    Base models ship a chat template that they were never trained on. With another `prompt` it is taken off here, once.
    All that renders, evaluates or saves with this tokenizer then agrees, and a trained model is saved without it.

    Raises:
        ModelError: it is missing or cannot be read.
    """
    source = locate_model(model)
    name, revision = tokenizer_place(source)
    with model_errors(source, "tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(name, revision=revision, trust_remote_code=False)
        if not _reads_as_written(tokenizer, name, revision):
            tokenizer = PreTrainedTokenizerFast.from_pretrained(name, revision=revision)
    # Without tokenizer.json, transformers makes a tokenizer from config.json alone, with an empty vocabulary.
    if not tokenizer("x", add_special_tokens=False)["input_ids"]:
        raise ModelError(
            f"{source}: no usable tokenizer (it has no vocabulary); put its tokenizer.json next to config.json"
        )
    if prompt != "auto":
        tokenizer.chat_template = None
    return tokenizer


def tokenizer_place(source: ModelSource) -> tuple[str, str | None]:
    """Return the folder or hub id of a model's tokenizer, and the revision: adapters may bring their own."""
    if source.adapters is not None and (Path(source.adapters) / "tokenizer_config.json").is_file():
        return source.adapters, None
    return source.name_or_path, source.revision


def load_chat_template(model: Path | str, prompt: PromptFormat | None = None) -> ChatTemplate:
    """Return the template that a model folder or hub id puts around prompts and answers, with its tokenizer.

    Raises:
        ModelError: the tokenizer is missing or cannot be read.
    """
    prompt = prompt or PromptFormat()
    return ChatTemplate(load_tokenizer(model, prompt.template), prompt)


@lru_cache(maxsize=4)
def text_engine(tokenizer: PreTrainedTokenizerBase, *, continues: bool) -> Tokenizer:
    """Return a copy of a tokenizer's engine that adds no special token, with the offsets of all characters.

    Args:
        tokenizer: a fast one.
        continues: true: every text is the continuation of another. It gets no blank before it, and where it spells a
            special token it stays text. False: texts are read as the tokenizer reads them.

    Raises:
        ModelError: the tokenizer is a slow one, which gives no character offsets.
    """
    if not tokenizer.is_fast:
        raise ModelError(
            f"{tokenizer.name_or_path}: this tokenizer gives no character offsets; "
            "convert it to a fast tokenizer (tokenizer.json)"
        )
    # A copy: the tokenizer itself goes on to add its special tokens.
    backend = tokenizer.backend_tokenizer
    state = json.loads(backend.to_str(), object_hook=_adding_nothing if continues else None)
    state["post_processor"] = None  # trims offsets, and adds what opens or closes a text
    engine = Tokenizer.from_str(json.dumps(state))
    engine.no_truncation()
    engine.no_padding()
    engine.encode_special_tokens = continues or backend.encode_special_tokens
    return engine


def _adding_nothing(part: dict[str, Any]) -> dict[str, Any]:
    """Return a part of a tokenizer.json without the blank that some put before a text."""
    if part.get("type") == "Prepend":
        return {"type": "Sequence", "normalizers": []}
    if "type" not in part:
        return part
    changed = dict(part)
    if "add_prefix_space" in part:
        changed["add_prefix_space"] = False
    if "prepend_scheme" in part:
        changed["prepend_scheme"] = "never"
    return changed


def _reads_as_written(
    tokenizer: PreTrainedTokenizerBase,
    name: str,
    revision: str | None,
) -> bool:
    """Return True if a tokenizer splits text as tokenizer.json describes, as when the model was trained.

    The class is chosen by the configuration, and Qwen2's and Llama's, among others, split text in their own way: other
    tokens without a word, or none for blanks.
    """
    written = cached_file(
        name,
        "tokenizer.json",
        revision=revision,
        _raise_exceptions_for_missing_entries=False,
    )
    if written is None or not tokenizer.is_fast:
        return True
    # Compared part by part with what transformers made of the file.
    engine = tokenizer.backend_tokenizer
    file = json.loads(Path(written).read_bytes())
    return all(_state(getattr(engine, part)) == file.get(part) for part in _READS_TEXT)


def _state(part: Any) -> Any:
    """Return a part of a tokenizer's engine as tokenizer.json has it."""
    return None if part is None else json.loads(part.__getstate__())
