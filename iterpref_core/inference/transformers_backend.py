"""Batched generation with transformers, in this process, on whatever accelerator there is."""

from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import (
    AutoModelForCausalLM,
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedModel,
)

from iterpref_core.config import PromptStyle
from iterpref_core.errors import ModelError
from iterpref_core.inference.backend import Completion, Request, Sampling
from iterpref_core.inference.checkpoints import locate_model
from iterpref_core.inference.growing_cache import growing_cache
from iterpref_core.inference.prompts import render_prompt
from iterpref_core.inference.tokenizers import load_tokenizer


class SeededSampling(LogitsProcessor):
    """Turns greedy decoding into sampling at a temperature, with random numbers of its own for every row.

    argmax(logits / T + g) with standard Gumbel noise g is a draw from softmax(logits / T). The noise of a row comes
    from the row's seed, so that an answer does not depend on what else is in the batch.
    """

    def __init__(self, seeds: Sequence[int], temperature: float) -> None:
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._temperature = temperature

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:  # noqa: ARG002 - the protocol's
        """Shapes: input_ids (rows, tokens), scores and result (rows, vocabulary)."""
        uniform = torch.stack([torch.rand(scores.shape[-1], generator=own) for own in self._generators])
        gumbel = -torch.log(-torch.log(uniform.clamp_(1e-20, 1 - 1e-7))).to(scores.device)
        return scores.float() / self._temperature + gumbel


def load_model(model: Path | str) -> PreTrainedModel:
    """The causal language model of a folder or hub id, in the precision it was saved in.

    Raises:
        ModelError: there is none, or it cannot be read.
    """
    source = locate_model(model)
    try:
        return AutoModelForCausalLM.from_pretrained(source.name_or_path, revision=source.revision, dtype="auto")
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{model}: cannot be loaded as a causal language model ({str(error).splitlines()[0]})"
        ) from None


class TransformersBackend:
    """Answers prompts in batches of similar length.

    Args:
        model: a checkpoint folder, a stage's folder that points at one, or a hub id.
        batch_size: prompts generated for at once.
        prompt: whether the model reads prompts in its chat template.

    Raises:
        ModelError: the model cannot be had or loaded, or its tokenizer cannot pad.
    """

    def __init__(self, model: Path | str, batch_size: int, prompt: PromptStyle = "auto") -> None:
        self.tokenizer = load_tokenizer(model, prompt)
        self.tokenizer.padding_side = "left"
        if self.tokenizer.pad_token_id is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        if self.tokenizer.pad_token_id is None:
            raise ModelError(
                f"{model}: its tokenizer has neither a padding nor an end token; "
                "name one as eos_token in tokenizer_config.json"
            )
        device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model = load_model(model).to(device).eval()
        self._batch_size = batch_size

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Completion]:
        """Answer every request, in order."""
        prompts = [render_prompt(self.tokenizer, request.prompt) for request in requests]
        order = sorted(range(len(requests)), key=lambda index: (len(prompts[index]), index))
        answers: dict[int, Completion] = {}
        for start in range(0, len(order), self._batch_size):
            rows = order[start : start + self._batch_size]
            batch = self._generate_batch([prompts[row] for row in rows], [requests[row].seed for row in rows], sampling)
            answers.update(zip(rows, batch, strict=True))
        return [answers[index] for index in range(len(requests))]

    @torch.inference_mode()
    def _generate_batch(self, prompts: list[str], seeds: list[int], sampling: Sampling) -> list[Completion]:
        # The template has written the special tokens that belong at the start; a plain prompt gets them here.
        encoded = self.tokenizer(
            prompts, return_tensors="pt", padding=True, add_special_tokens=self.tokenizer.chat_template is None
        ).to(self._model.device)
        processors = LogitsProcessorList()
        if sampling.temperature > 0:
            processors.append(SeededSampling(seeds, sampling.temperature))
        output = self._model.generate(
            input_ids=encoded["input_ids"],
            attention_mask=encoded["attention_mask"],
            past_key_values=growing_cache(self._model.config),
            max_new_tokens=sampling.max_new_tokens,
            do_sample=False,
            temperature=None,
            top_p=None,
            top_k=None,
            logits_processor=processors,
            pad_token_id=self.tokenizer.pad_token_id,
        )
        lengths = encoded["attention_mask"].sum(dim=1).tolist()
        new = output[:, encoded["input_ids"].shape[1] :].tolist()
        return [self._completion(tokens, length, sampling) for tokens, length in zip(new, lengths, strict=True)]

    def _completion(self, tokens: list[int], prompt_tokens: int, sampling: Sampling) -> Completion:
        ends = self._end_tokens()
        length = next((index + 1 for index, token in enumerate(tokens) if token in ends), len(tokens))
        truncated = length == sampling.max_new_tokens and tokens[length - 1] not in ends
        text = self.tokenizer.decode(tokens[:length], skip_special_tokens=True)
        return Completion(text, prompt_tokens, length, truncated)

    def _end_tokens(self) -> set[int]:
        configured = self._model.generation_config.eos_token_id
        ends = configured if isinstance(configured, list) else [configured]
        return {token for token in [*ends, self.tokenizer.eos_token_id] if token is not None}
