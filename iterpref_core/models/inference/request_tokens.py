"""Return the token ids of a request, for a model on this machine."""

from collections.abc import Sequence

from iterpref_core.records import prompt_text

from ..pretrained.chat_template import ChatTemplate
from ..pretrained.prompt_tokens import EncodedPrompt, encode_prompts, encode_texts
from .backend import Request


def read_text(template: ChatTemplate, request: Request) -> str:
    """Return the text that a model reads for a request."""
    if request.raw:
        return prompt_text(request.prompt)
    return template.render_prompt(request.prompt, request.system)


def encode_requests(template: ChatTemplate, requests: Sequence[Request]) -> list[EncodedPrompt]:
    """Return the token ids for each request; a raw one is encoded whole, as vLLM encodes a prompt."""
    chats = iter(encode_prompts(template, [read_text(template, request) for request in requests if not request.raw]))
    return [_encode_raw(template, request) if request.raw else next(chats) for request in requests]


def _encode_raw(template: ChatTemplate, request: Request) -> EncodedPrompt:
    text = read_text(template, request)
    first = template.tokenizer.bos_token
    # "<s>[INST] …" has its first token already, and gets no second one.
    begins = bool(first) and text.startswith(first)
    (ids,) = encode_texts(template.tokenizer, [text], special=not begins)
    return EncodedPrompt(ids)
