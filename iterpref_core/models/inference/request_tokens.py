"""Request tokens: the token ids that a model with weights on this machine reads for a request."""

from collections.abc import Sequence

from iterpref_core.models.inference.backend import Request
from iterpref_core.models.pretrained.chat_template import ChatTemplate
from iterpref_core.models.pretrained.prompt_tokens import EncodedPrompt, encode_prompts, encode_texts
from iterpref_core.records.prompt_messages import prompt_text


def encode_requests(template: ChatTemplate, requests: Sequence[Request]) -> list[EncodedPrompt]:
    """Return the token ids for each request; a raw one is encoded whole, as vLLM encodes a prompt."""
    asked: dict[Request, EncodedPrompt] = {}
    rendered_requests = [request for request in requests if not request.raw]
    rendered = [template.render_prompt(request.prompt, request.system) for request in rendered_requests]
    asked.update(zip(rendered_requests, encode_prompts(template, rendered), strict=True))
    first = template.tokenizer.bos_token or ""
    for has_first in (False, True):
        # "<s>[INST] …" has its first token already, and gets no second one.
        raw = []
        for request in requests:
            begins = bool(first) and prompt_text(request.prompt).startswith(first)
            if request.raw and begins == has_first:
                raw.append(request)
        texts = [prompt_text(request.prompt) for request in raw]
        rows = encode_texts(template.tokenizer, texts, special=not has_first)
        for request, ids in zip(raw, rows, strict=True):
            asked[request] = EncodedPrompt(ids)
    return [asked[request] for request in requests]
