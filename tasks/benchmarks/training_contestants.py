"""Trainers that `bench training` compares: TRL's, with a head that is tuned for this, and ours, on equal weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MethodType
from typing import Any

import torch
from datasets import Dataset
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase, Qwen2Config
from trl import DPOConfig, DPOTrainer
from trl.trainer.utils import FusedCausalLMOutput

from iterpref_core.objectives.objectives import OBJECTIVES
from iterpref_core.training.attention import choose_attention
from iterpref_core.training.dpo_settings import CHECKPOINTING
from iterpref_core.training.layouts import Batch, ForkCollator, Pair
from iterpref_core.training.published_models import published_models
from iterpref_core.training.trainer import FocalDPOTrainer
from tasks.benchmarks.device_meters import Device

_IGNORED = -100
_BETA = 0.1
OBJECTIVE = OBJECTIVES["target-dpo"]


@dataclass(frozen=True)
class Shape:
    """A Qwen2 model's sizes, as in its config.json."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    vocabulary: int

    @property
    def decoder_weights(self) -> int:
        """Weights of the matrices that every slot passes."""
        keys = self.hidden * self.kv_heads // self.heads
        return self.layers * self.hidden * (2 * self.hidden + 2 * keys + 3 * self.intermediate)

    @property
    def head_weights(self) -> int:
        """Weights of the output head, which every label passes."""
        return self.hidden * self.vocabulary

    @property
    def head_share(self) -> float:
        """Of the floating-point operations of a slot with a label."""
        return self.head_weights / (self.head_weights + self.decoder_weights)

    @classmethod
    def of(cls, config: PreTrainedConfig) -> "Shape":
        """That of a configuration."""
        return cls(
            hidden=config.hidden_size,
            intermediate=config.intermediate_size,
            layers=config.num_hidden_layers,
            heads=config.num_attention_heads,
            kv_heads=config.num_key_value_heads,
            vocabulary=config.vocab_size,
        )

    def scaled(self, narrower: int, layers: int) -> "Shape":
        """A small model whose head has the same share.

        Width is kept where it can be, and layers are not: in a narrow model all that is not a matrix product counts
        for more than it does.

        Args:
            narrower: by which the width is divided; 1 keeps it, and with it the layers.
            layers: of the small model.
        """
        if narrower == 1:
            return self
        small = Shape(
            hidden=self.hidden // narrower,
            intermediate=self.intermediate // narrower,
            layers=layers,
            heads=self.heads // 2,
            kv_heads=self.kv_heads // 2,
            vocabulary=0,
        )
        head = small.decoder_weights * self.head_share / (1 - self.head_share)
        return Shape(**{**vars(small), "vocabulary": round(head / small.hidden)})

    def build(self, device: Device) -> PreTrainedModel:
        """A model of random weights, the same for the same shape and device; on a GPU in bfloat16."""
        torch.manual_seed(0)
        config = Qwen2Config(
            vocab_size=self.vocabulary,
            hidden_size=self.hidden,
            intermediate_size=self.intermediate,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=self.kv_heads,
            tie_word_embeddings=True,
            pad_token_id=0,
            bos_token_id=None,
            eos_token_id=1,
        )
        with device.place:
            return AutoModelForCausalLM.from_config(config, dtype=device.dtype)


SHAPES = {size: Shape.of(published_models()[f"Qwen2.5-Coder-{size}"]) for size in ("0.5B", "1.5B")}


class _UnpreparedDPOTrainer(DPOTrainer):
    """TRL's loss; batches are made by `trl_batch`, so that there is no data set to prepare."""

    def _prepare_dataset(self, dataset: Dataset, *_: Any, **__: Any) -> Dataset:
        return dataset

    def _precompute_ref_logps(self, dataset: Dataset, *_: Any, **__: Any) -> Dataset:
        return dataset


def _arguments(device: Device, folder: Path) -> DPOConfig:
    return DPOConfig(
        output_dir=str(folder),
        beta=_BETA,
        max_length=None,
        bf16=False,
        **{CHECKPOINTING: False},
        precompute_ref_log_probs=True,
        dataloader_pin_memory=False,
        report_to="none",
        use_cpu=device.kind == "cpu",
        disable_tqdm=True,
    )


def our_trainer(
    shape: Shape, device: Device, tokenizer: PreTrainedTokenizerBase, collator: Any, longest: int, folder: Path
) -> FocalDPOTrainer:
    """Ours, with the layout of a collator, for pairs of at most `longest` tokens."""
    model = shape.build(device)
    if isinstance(collator, ForkCollator):
        choose_attention(model, longest)
    return FocalDPOTrainer(
        objective=OBJECTIVE,
        nll="mean",
        model=model,
        args=_arguments(device, folder),
        data_collator=collator,
        train_dataset=Dataset.from_dict({"prompt_ids": [[0]]}),
        processing_class=tokenizer,
    )


def trl_trainer(shape: Shape, device: Device, tokenizer: PreTrainedTokenizerBase, folder: Path) -> DPOTrainer:
    """TRL's: on a GPU as it is, on a CPU with the tuned head."""
    trainer = _UnpreparedDPOTrainer(
        model=shape.build(device),
        args=_arguments(device, folder),
        train_dataset=Dataset.from_dict({"prompt_ids": [[0]]}),
        processing_class=tokenizer,
    )
    if device.kind == "cpu":
        _tune_head(trainer.model)
    return trainer


def _tune_head(model: PreTrainedModel) -> None:
    """Logits only where TRL's mask counts a token, all at once: what is fastest on a CPU.

    TRL's own head scores every slot there, and for its metrics computes more than the loss needs; this one spares it
    both. Measured against its own, anything would look fast.
    """

    def forward(self: PreTrainedModel, labels: torch.Tensor, fused_lm_head: bool, **kwargs: Any) -> FusedCausalLMOutput:
        assert fused_lm_head
        hidden = self.base_model(**kwargs).last_hidden_state[:, :-1]
        counted = labels[:, 1:] != _IGNORED
        logits = self.get_output_embeddings()(hidden[counted])
        logps = logits.log_softmax(dim=-1).gather(1, labels[:, 1:][counted][:, None])[:, 0]
        zeros = logps.new_zeros(counted.shape)
        return FusedCausalLMOutput(
            log_probs=zeros.masked_scatter(counted, logps), entropy=zeros, mean_logits=zeros, is_top1=zeros.bool()
        )

    model.forward = MethodType(forward, model)


def trl_batch(pairs: Sequence[Pair]) -> Batch:
    """The pairs as TRL's collator lays them out, its `completion_mask` limited to the tokens that count."""
    tokens, masks, sums = [], [], {}
    for side in ("chosen", "rejected"):
        for pair in pairs:
            tokens.append(torch.tensor(pair["prompt_ids"] + pair[f"{side}_ids"]))
            masks.append(torch.tensor([0] * len(pair["prompt_ids"]) + list(pair[f"{side}_weights"])))
        weighted = [zip(p[f"ref_{side}_token_logps"], p[f"{side}_weights"], strict=True) for p in pairs]
        sums[f"ref_{side}_logps"] = torch.tensor([sum(logp * weight for logp, weight in own) for own in weighted])
    return {
        "input_ids": pad_sequence(tokens, batch_first=True),
        "attention_mask": pad_sequence([torch.ones_like(own) for own in tokens], batch_first=True),
        "completion_mask": pad_sequence(masks, batch_first=True),
        **sums,
    }
