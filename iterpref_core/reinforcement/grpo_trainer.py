"""GRPO trainer: TRL's own, with prompts of the model's template and checkpoints that a killed training resumes from."""

import math
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from accelerate.utils import gather_object
from peft import PeftModel
from trl import GRPOTrainer

from iterpref_core.records import UNDECIDED
from iterpref_core.reinforcement.dialogues import Dialogues
from iterpref_core.reinforcement.error_regions import FailedAnswer, focus
from iterpref_core.reinforcement.rendered_prompts import RenderedPrompts
from iterpref_core.reinforcement.rewards import Rewards
from iterpref_core.training.base_trainer import BaseTrainer, DivergedError, ReleaseMemory, StopAtDivergence


class TemplateGRPOTrainer(BaseTrainer, GRPOTrainer):
    """TRL's trainer of GRPO (arXiv 2402.03300).

    Args:
        prompts: encodes the rendered prompts in the column `prompt`.
        rewards: judges the answers.
        dialogues: answers in several turns; None: one answer to each prompt.
        by_regions: failing answers are pushed down in their error regions alone.
        **kwargs: as for `GRPOTrainer`.
    """

    def __init__(
        self,
        *,
        prompts: RenderedPrompts,
        rewards: Rewards,
        dialogues: Dialogues | None = None,
        by_regions: bool = False,
        **kwargs: Any,
    ) -> None:
        self._rendered_prompts = prompts
        self._rewards = rewards
        self._dialogues = dialogues
        self._by_regions = by_regions
        self._tasks: list[str] = []
        rollout = None if dialogues is None else self._roll_out
        with warnings.catch_warnings():
            # TRL says that rollout functions may change, to users who have not written this one.
            warnings.filterwarnings("ignore", message="You are using 'rollout_func'")
            super().__init__(reward_funcs=rewards.functions, rollout_func=rollout, **kwargs)
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

    def _roll_out(self, *_: Any) -> dict[str, Any]:
        """Lead the dialogues of a batch: TRL's rollout function."""
        assert self._dialogues is not None

        def draw(texts: list[list[int]]) -> list[list[int]]:
            answers, _ = self._generate_single_turn(texts, None, {}, self.num_generations)
            return answers  # type: ignore[no-any-return]

        return self._dialogues.lead(self._tasks, draw)

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """Draw answers and compute advantages as TRL does; then see which failing answers have an error region."""
        self._tasks = [row["task_id"] for row in inputs]
        batch: dict[str, Any] = super()._generate_and_score_completions(inputs)
        if self._dialogues is not None:
            self._log_turns(self._dialogues)
        if self._by_regions:
            batch["advantages"] = self._by_token(batch)
        return batch

    def _log_turns(self, dialogues: Dialogues) -> None:
        """Log how many turns dialogues had, and how often a later one passed, if tests are a reward."""
        for name, value in dialogues.metrics.items():
            self._metrics["train"][name].append(value)
        again = []
        for dialogue, last in zip(dialogues.rows, self._rewards.judged, strict=True):
            if len(dialogue.turns) > 1 and last.verdict is not None:
                again.append(last.verdict == "passed")
        if again:
            self._metrics["train"]["turns/repaired"].append(sum(again) / len(again))

    def _by_token(self, batch: dict[str, Any]) -> torch.Tensor:
        """Return the advantages of a batch, of tokens where a failing answer has an error region."""
        failed = list(self._failed())
        repairs: dict[str, list[str]] = {}
        for task, one in gather_object(list(zip(self._tasks, self._rewards.judged, strict=True))):
            if one.verdict == "passed":
                repairs.setdefault(task, []).append(one.program)
        advantages, located = focus(
            batch["advantages"],
            failed,
            repairs,
            width=batch["completion_ids"].shape[1],
            decode=self._rendered_prompts.decode,
        )
        self._metrics["train"]["error_regions"].append(located / max(len(failed), 1))
        return advantages

    def _failed(self) -> Iterator[FailedAnswer]:
        """Yield the answers of the last batch that fail; of dialogues also the earlier ones."""
        for row, (task, last) in enumerate(zip(self._tasks, self._rewards.judged, strict=True)):
            if last.verdict not in UNDECIDED:
                yield FailedAnswer(row, last.answer.start, last.answer.ids, last.program, task)
        for row, dialogue in enumerate(self._dialogues.rows if self._dialogues else ()):
            for turn, attempt in list(zip(dialogue.turns, dialogue.conversation.attempts, strict=True))[:-1]:
                yield FailedAnswer(row, turn.start, turn.ids, attempt.code, self._tasks[row])

    def _send_telemetry(self) -> None:
        """Send nothing: TRL would tell the hub of every training."""
