"""GRPO trainer: TRL's own, with prompts of the model's template and checkpoints that a killed training resumes from."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from peft import PeftModel
from trl import GRPOTrainer

from iterpref_core.training.reinforcement.rendered_prompts import RenderedPrompts
from iterpref_core.training.reinforcement.rewards import Rewards
from iterpref_core.training.training.base_trainer import BaseTrainer, DivergedError, ReleaseMemory, StopAtDivergence


class TemplateGRPOTrainer(BaseTrainer, GRPOTrainer):
    """TRL's trainer of GRPO (arXiv 2402.03300).

    Args:
        prompts: encodes the rendered prompts in the column `prompt`.
        rewards: judges the answers.
        **kwargs: as for `GRPOTrainer`.
    """

    def __init__(self, *, prompts: RenderedPrompts, rewards: Rewards, **kwargs: Any) -> None:
        self._rendered_prompts = prompts
        super().__init__(reward_funcs=rewards.functions, **kwargs)
        self.add_callback(StopAtDivergence())
        self.add_callback(ReleaseMemory())

    def drop_reference(self) -> None:
        """Remove the copy of adapters that TRL keeps as the reference where training began with adapters."""
        trained = self.accelerator.unwrap_model(self.model)
        if isinstance(trained, PeftModel) and "ref" in trained.peft_config:
            trained.delete_adapter("ref")

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """Write none: the card of a model is `iterpref export`'s."""

    def _tokenize_prompts(self, prompts: Sequence[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
        """Return token ids, and neither images nor their fields."""
        return self._rendered_prompts.encode(prompts), None, {}

    def _generate_single_turn(self, prompt_ids: list[list[int]], *args: Any, **kwargs: Any) -> Any:
        """Draw answers as TRL does, from a model that has probabilities.

        Raises:
            DivergedError: the logits are no numbers.
        """
        tokens = torch.tensor([prompt_ids[0]], device=self.accelerator.device)
        with torch.no_grad():
            logits = self.model_wrapped(input_ids=tokens).logits
        if not bool(logits.isfinite().all()):
            raise DivergedError("logits", self.state.global_step, math.nan)
        return super()._generate_single_turn(prompt_ids, *args, **kwargs)

    def _send_telemetry(self) -> None:
        """Send nothing: TRL would tell the hub of every training."""
