"""KTO trainer: TRL's own (arXiv 2402.01306), with rows that are tokenized already, and a reference scored once.

With K the sum of log pi - log pi_ref over the tokens of a program that count, and z the divergence of the policy from
the reference, not below 0,

    a passing program   1 - sigmoid(beta (K - z))
    a failing program   1 - sigmoid(beta (z - K))

TRL estimates z in each micro-batch, from programs under other rows' prompts. All tokens of those count.
"""

from collections.abc import Sequence
from typing import Any

import torch
from datasets import Dataset
from peft import PeftModel
from torch.utils.data import DataLoader
from trl import KTOTrainer
from trl.trainer.kto_trainer import DataCollatorForUnpairedPreference

from iterpref_core.errors import ModelError
from iterpref_core.models.freed_memory import FreedMemory
from iterpref_core.training.base_trainer import BaseTrainer, ReleaseMemory, StopAtDivergence
from iterpref_core.training.model.parity import rounding_scale

Example = dict[str, Any]
"""A row: the fields of a `LabeledRow`, and the reference's sums once they are known."""


class CountedCollator(DataCollatorForUnpairedPreference):
    """TRL's collator, with a completion mask that marks the tokens that count alone."""

    def torch_call(self, examples: Sequence[Example]) -> dict[str, Any]:
        """Collate rows."""
        batch: dict[str, Any] = super().torch_call(list(examples))
        for mask, example in zip(batch["completion_mask"], examples, strict=True):
            start = len(example["prompt_ids"])
            mask[start : start + len(example["counted"])] = torch.tensor(example["counted"])
        return batch


class ProgramTrainer(BaseTrainer, KTOTrainer):
    """TRL's trainer of KTO.

    Args:
        **kwargs: as for `KTOTrainer`; the data sets have the fields of `LabeledRow`.

    Raises:
        ModelError: TRL would not compute the log-probabilities of the model's own logits.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_callback(StopAtDivergence())
        self.add_callback(ReleaseMemory())
        if isinstance(self.model, PeftModel) and "ref" in self.model.peft_config:
            self.model.delete_adapter("ref")  # a copy of the adapters that training began with; it has been scored

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """Write none: the card of a model is `iterpref export`'s."""

    def _send_telemetry(self) -> None:
        """Send nothing: TRL would tell the hub of every training."""

    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:
        """Return the rows as they are: they are tokenized as those of every training are."""
        return dataset

    def _precompute_ref_logps(self, dataset: Dataset, name: str, batch_size: int) -> Dataset:
        """Return the rows with the reference's sums, by the model as it is before training.

        TRL keeps them on disk for another training, by a digest in which the tokens that count have no part.
        """
        self.model.eval()
        if name == "train":
            check_log_probs(self.model, self.data_collator, self._longest_and_shortest(dataset))
        loader = DataLoader(dataset, batch_size, collate_fn=self.data_collator)
        sums: dict[str, list[float]] = {"ref_logps": [], "ref_KL_logps": []}
        freed_memory = FreedMemory()
        for batch in loader:
            scores = self.compute_ref_log_probs(self.model, self._prepare_inputs(batch))
            for column, values in zip(sums, scores, strict=True):
                sums[column] += values.float().tolist()
            freed_memory.after_pass(self.args.device)
        for column, values in sums.items():
            dataset = dataset.add_column(column, values)
        return dataset

    def _longest_and_shortest(self, dataset: Dataset) -> list[Example]:
        """Return the longest row, and the shortest, which is padded beside it."""
        texts = zip(dataset["prompt_ids"], dataset["completion_ids"], strict=True)
        lengths = [len(prompt) + len(completion) for prompt, completion in texts]
        places = sorted(range(len(lengths)), key=lengths.__getitem__)
        return [dataset[places[-1]], dataset[places[0]]]


@torch.no_grad()
def check_log_probs(model: Any, collate: Any, rows: Sequence[Example]) -> None:
    """Compare TRL's log-probabilities of rows in one batch with those of the model's own logits, row by row.

    Args:
        model: with TRL's head.
        collate: makes a batch of rows.
        rows: the longest, and one that is padded.

    Raises:
        ModelError: they differ, or the model's head is not the plain layer that TRL multiplies with.
    """
    kind = model.config.model_type
    head = model.get_output_embeddings()
    if type(head) is not torch.nn.Linear:
        raise ModelError(
            f"{kind}: its output layer is a {type(head).__name__}, where TRL's KTO multiplies with a plain matrix; "
            "leave it out of training.lora, or train another model"
        )
    batch = {name: values.to(model.device) for name, values in collate(rows).items()}
    labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, -100)
    found = model(
        input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=labels, fused_lm_head=True
    ).log_probs.float()
    for row, example in enumerate(rows):
        ids = torch.tensor(example["prompt_ids"] + example["completion_ids"], device=model.device)
        scores = model(input_ids=ids[None], use_cache=False).logits[0, :-1].float().log_softmax(dim=-1)
        expected = scores.gather(1, ids[1:, None])[:, 0]
        counted = labels[row, 1 : len(ids)] != -100
        difference = (found[row, : len(ids) - 1] - expected)[counted].abs().median()
        if difference > rounding_scale(expected, model.dtype):
            raise ModelError(
                f"{kind}: TRL's KTO computes log-probabilities that differ from those of the model's own logits by "
                f"{float(difference):.3g} nats; train another model, or with an objective on pairs"
            )
