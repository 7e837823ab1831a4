"""Generate answers in batches in this process, on the machine's accelerator."""

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name it has everywhere
from transformers import (
    Cache,
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedModel,
    StoppingCriteria,
    StoppingCriteriaList,
)

from iterpref_core.records import Bf16, PromptFormat

from ..pretrained.freed_memory import FreedMemory
from ..pretrained.generation_config import plain_generation
from ..pretrained.prompt_tokens import EncodedPrompt, end_tokens, read_answer
from ..pretrained.tokenizers import load_chat_template
from ..pretrained.weights import generation_dtype, load_model, state_layer
from .backend import Answered, BackendSettings, BatchModel, Completion, Request, Sampling, before_stop, ignore
from .finish_reasons import CUT, FINISHED
from .request_tokens import encode_requests, read_text

_STOPS_EVERY = 8
"""Tokens between two searches for end strings."""
_STOPS_WITHIN = 48
"""The number of latest tokens to search for end strings: an end string has fewer than forty, and eight may be new."""
_SHORT = 512
"""Tokens up to which prompts share a batch, however short the others are."""
_LEAVING = 0.25
"""Share of a batch that has ended when it leaves: of 256 answers each row waits for the last of its batch otherwise."""

_Ended = Callable[[int, list[int]], None]
"""Receives the row of a batch that has ended, and its new tokens."""


class SeededSampling(LogitsProcessor):
    """Sampling at a temperature, made of greedy decoding, with random numbers of its own for every row.

    argmax(logits / T + g) with standard Gumbel noise g is a draw from softmax(logits / T). The noise of a row comes
    from the row's seed, so that an answer does not depend on the rest of the batch.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        temperature: float,
        device: torch.device | str = "cpu",
    ) -> None:
        self._generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]
        self._temperature = temperature

    def keep_rows(self, rows: Sequence[int]) -> None:
        """Go on with these rows alone, each with its own random numbers."""
        self._generators = [self._generators[row] for row in rows]

    def __call__(
        self,
        input_ids: torch.Tensor,  # noqa: ARG002 - the protocol's
        scores: torch.Tensor,
    ) -> torch.Tensor:
        """Return scores whose argmax is a draw. Shapes: input_ids (rows, tokens), the others (rows, vocabulary)."""
        size = scores.shape[-1]
        device = scores.device
        uniform = torch.stack([torch.rand(size, generator=row, device=device) for row in self._generators])
        gumbel = -torch.log(-torch.log(uniform.clamp_(1e-20, 1 - 1e-7)))
        return scores.float() / self._temperature + gumbel


class _Watch(StoppingCriteria):
    """A criterion that stops a batch once `_LEAVING` of its rows have ended: the others go on without them.

    Args:
        ends: tokens that end a row.
        on_end: receives each row as it ends.
        has_stop: returns True if tokens hold an end string; None without end strings.
        start: the index in `input_ids` of the first new token.
    """

    def __init__(
        self,
        ends: Collection[int],
        on_end: _Ended,
        has_stop: Callable[[list[int]], bool] | None,
        start: int,
    ) -> None:
        self._ends = torch.tensor(sorted(ends), dtype=torch.long)
        self._on_end = on_end
        self._has_stop = has_stop
        self._start = start
        self.ended: list[bool] = []

    def __call__(
        self,
        input_ids: torch.Tensor,
        scores: object,  # noqa: ARG002 - the protocol's
        **_: object,
    ) -> torch.Tensor:
        """Return whether each row is to stop. Shapes: input_ids (rows, tokens), result (rows,)."""
        last = torch.isin(input_ids[:, -1], self._ends.to(input_ids.device))
        now = last.tolist()
        length = input_ids.shape[1]
        if self._has_stop and length % _STOPS_EVERY == 0:
            latest = input_ids[:, max(self._start, length - _STOPS_WITHIN) :]
            now = [end or self._has_stop(tokens) for end, tokens in zip(now, latest.tolist(), strict=True)]
        before = self.ended or [False] * len(now)
        for row, (was, ends) in enumerate(zip(before, now, strict=True)):
            if ends and not was:
                self._on_end(row, input_ids[row, self._start :].tolist())
        self.ended = [was or ends for was, ends in zip(before, now, strict=True)]
        return torch.full_like(last, sum(self.ended) >= _LEAVING * len(now))


def can_pad(model: PreTrainedModel) -> bool:
    """Return True if texts of different lengths can share a batch, padded on the left.

    They cannot if a layer carries a state along that padding changes (RWKV), or a token's position is its place in the
    padded row (BART).
    """
    return not state_layer(model.config) and "position_ids" in signature(model.forward).parameters


def batches(lengths: Sequence[int], size: int) -> Iterator[slice]:
    """Yield the places of each batch of at most `size` prompts, which have these numbers of tokens.

    A row costs as much as the longest of its batch: at most `_SHORT` tokens, or twice the tokens of the first row.

    >>> list(batches([20, 30, 500, 1200, 2400, 2401], 64))
    [slice(0, 3, None), slice(3, 5, None), slice(5, 6, None)]
    """
    start = 0
    for place, length in enumerate(lengths):
        if place - start == size or length > max(_SHORT, 2 * lengths[start]):
            yield slice(start, place)
            start = place
    if lengths:
        yield slice(start, len(lengths))


class TransformersModel(BatchModel):
    """A model in this process, which answers prompts in batches of similar length.

    Args:
        model: a checkpoint folder, a stage's folder that points at one, or a hub id.
        batch_size: prompts generated for at once.
        prompt: the format of the model's prompts.
        bf16: true: the model computes in bfloat16. auto: on a CPU if it has instructions for that, on a GPU in the
            precision of its file.

    Raises:
        ModelError: the model cannot be had or loaded.
    """

    def __init__(
        self,
        model: Path | str,
        batch_size: int,
        prompt: PromptFormat | None = None,
        bf16: Bf16 = "auto",
    ) -> None:
        self.concurrency = batch_size
        self.template = load_chat_template(model, prompt)
        self.tokenizer = self.template.tokenizer
        self.tokenizer.padding_side = "left"
        if self.tokenizer.pad_token_id is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token  # `check_checkpoint` refuses a model without one
        device = "cuda" if torch.cuda.is_available() else "cpu"
        loaded = load_model(model)
        self._model = loaded.to(device, generation_dtype(bf16, loaded.dtype)).eval()
        # Passed to `generate` it would not do: transformers takes values that it leaves unset from this place.
        self._model.generation_config = plain_generation(loaded.generation_config)
        self._pads = can_pad(self._model)
        self._ends = end_tokens(self.template, self._model.generation_config)
        self._freed_memory = FreedMemory()

    def generate(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        answered: Answered = ignore,
    ) -> list[Completion]:
        """Answer every request, in order; `answered` receives each at its last token."""
        if self.template.end.stop:
            sampling = replace(sampling, stops=(*sampling.stops, self.template.end.stop))
        encoded = encode_requests(self.template, requests)
        texts = [read_text(self.template, request) for request in requests]
        order = sorted(range(len(requests)), key=lambda row: (len(texts[row]), row))
        answers: dict[int, Completion] = {}

        def put(index: int, answer: Completion) -> None:
            answers[index] = answer
            answered(index, answer)

        # Where padding changes answers, each text is a batch of its own.
        size = self.concurrency if self._pads else 1
        for places in batches([len(encoded[index].ids) for index in order], size):
            indices = order[places]
            prompts = [encoded[index] for index in indices]
            self._generate_batch(indices, prompts, [requests[index].seed for index in indices], sampling, put)
            self._freed_memory.after_pass(self._model.device)
        return [answers[index] for index in range(len(requests))]

    @torch.inference_mode()
    def _generate_batch(
        self,
        indices: list[int],
        prompts: list[EncodedPrompt],
        seeds: list[int],
        sampling: Sampling,
        put: Answered,
    ) -> None:
        """Answer prompts, (rows, tokens) once they are padded on the left. Rows that end leave, a quarter at a time."""
        input_ids, attention_mask = self._pad(prompts)
        width = input_ids.shape[1]
        limit = width + sampling.max_new_tokens
        temperature = sampling.temperature
        sampler = SeededSampling(seeds, temperature, input_ids.device) if temperature > 0 else None
        cache: dict[str, Any] = {}
        has_stop = partial(self._has_stop, sampling=sampling) if sampling.stops else None
        rows = list(range(len(seeds)))

        def ended(row: int, tokens: list[int]) -> None:
            first_row = rows[row]
            put(indices[first_row], self._completion(tokens, prompts[first_row], sampling))

        # Of four rows, the first one ends after 12 tokens: the batch stops, `rows` becomes [1, 2, 3], and these three
        # go on with their part of the cache. Rows that wait for the longest of them would cost as much as it does.
        while True:
            watch = _Watch(self._ends, ended, has_stop, width)
            output = self._model.generate(
                input_ids=input_ids,
                attention_mask=attention_mask,
                **cache,
                max_new_tokens=limit - input_ids.shape[1],
                logits_processor=LogitsProcessorList([sampler] if sampler else []),
                stopping_criteria=StoppingCriteriaList([watch]),
                pad_token_id=self.tokenizer.pad_token_id,
                return_dict_in_generate=True,
            )
            input_ids = output.sequences
            staying = [row for row, has_ended in enumerate(watch.ended) if not has_ended]
            if input_ids.shape[1] == limit:
                for row in staying:
                    ended(row, input_ids[row, width:].tolist())
            if not staying or input_ids.shape[1] == limit:
                return
            rows = [rows[row] for row in staying]
            # Versions of transformers name it differently. A model without one reads the whole text again.
            cache = {name: value for name, value in output.items() if isinstance(value, Cache)}
            for kept in cache.values():
                kept.reorder_cache(torch.tensor(staying, device=input_ids.device))
            if sampler:
                sampler.keep_rows(staying)
            input_ids = input_ids[staying]
            attention_mask = F.pad(attention_mask[staying], (0, input_ids.shape[1] - attention_mask.shape[1]), value=1)

    def _pad(self, prompts: Sequence[EncodedPrompt]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the token ids and the attention mask of a batch, both (rows, tokens), padded on the left."""
        ids = {"input_ids": [prompt.ids for prompt in prompts]}
        encoded = self.tokenizer.pad(ids, return_tensors="pt").to(self._model.device)
        return encoded["input_ids"], encoded["attention_mask"]

    def _completion(
        self,
        tokens: list[int],
        prompt: EncodedPrompt,
        sampling: Sampling,
    ) -> Completion:
        ends = (index + 1 for index, token in enumerate(tokens) if token in self._ends)
        length = next(ends, len(tokens))
        ended = length > 0 and tokens[length - 1] in self._ends
        text = self._text(tokens[: length - ended])
        kept = before_stop(text, sampling.stops)
        stopped = kept != text
        if stopped:
            # The token that completes the end string is the last one, whenever the row left its batch.
            length = bisect_left(range(length), True, key=lambda count: self._has_stop(tokens[:count], sampling))
        truncated = not (stopped or ended) and length == sampling.max_new_tokens
        return Completion(
            read_answer(kept, prompt, self.template),
            len(prompt.ids),
            length,
            CUT if truncated else FINISHED,
        )

    def _text(self, tokens: list[int]) -> str:
        return str(self.tokenizer.decode(tokens, skip_special_tokens=True))

    def _has_stop(self, tokens: list[int], sampling: Sampling) -> bool:
        text = self._text(tokens)
        return any(stop in text for stop in sampling.stops)


@contextmanager
def open_backend(settings: BackendSettings) -> Iterator[BatchModel]:
    """Yield a checkpoint, loaded into this process."""
    inference = settings.inference
    yield TransformersModel(settings.model, inference.concurrency, settings.prompt, inference.bf16)
