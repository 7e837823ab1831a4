"""Send a server of this project's own the token ids that the same model would read in this process."""

from pathlib import Path
from typing import Any

from transformers import GenerationConfig

from iterpref_core.records import PromptFormat

from ..pretrained.chat_template import ChatTemplate
from ..pretrained.checkpoints import locate_model, read_config
from ..pretrained.generation_config import valid_generation
from ..pretrained.prompt_tokens import end_tokens, read_answer
from ..pretrained.tokenizers import load_chat_template
from .backend import Request, Sampling
from .request_tokens import encode_requests


class ServedTokens:
    """The token ids that a served model reads, and the ends of its answers.

    Args:
        model: a checkpoint folder, a stage's folder that points at one, or a hub id.
        prompt: the format of the model's prompts.

    Raises:
        ModelError: the model's tokenizer or its chat template cannot be used.
    """

    def __init__(self, model: Path | str, prompt: PromptFormat) -> None:
        self._template: ChatTemplate = load_chat_template(model, prompt)
        suggested = valid_generation(locate_model(model)) or GenerationConfig.from_model_config(read_config(model))
        self._ends = end_tokens(self._template, suggested)

    def body(self, request: Request, sampling: Sampling) -> dict[str, Any]:
        """Return the fields of a request to `/completions`: the prompt, and the ends of its answer."""
        (asked,) = encode_requests(self._template, [request])
        fields: dict[str, Any] = {
            "prompt": asked.ids,
            "stop_token_ids": sorted(self._ends),
        }
        stop = self._template.end.stop
        if stop:
            fields["stop"] = [*sampling.stops, stop]
        return fields

    def read(self, text: str, request: Request) -> str:
        """Return the answer in a server's text."""
        (asked,) = encode_requests(self._template, [request])
        return read_answer(text, asked, self._template)
