"""Report that a training ends because it diverges, the validation loss no longer falls, or all steps are done."""

from collections.abc import Mapping, Sequence


class DivergedError(Exception):
    """Training must stop: ends the training loop before the step that would follow.

    Attributes:
        reason: the number that is not finite (`loss`, `gradient`, `validation_loss`); a `gradient` of 0, of a model
            that no longer depends on its weights; or `margin`, beyond its limit.
        step: the optimizer step whose batch showed it, from 1.
        value: that number.
    """

    def __init__(self, reason: str, step: int, value: float) -> None:
        super().__init__(f"{reason} = {value:g} at step {step}")
        self.reason = reason
        self.step = step
        self.value = value


class EndedError(Exception):
    """Training has no further step to make: ends the training loop, before a checkpoint is saved."""


def is_patience_over(history: Sequence[Mapping[str, float]], patience: int) -> bool:
    """Return whether training ends after its last validation.

    Args:
        history: the trainer's.
        patience: validations in a row, up to the last, without a lower loss than all before; 0: none end training.

    >>> is_patience_over([{"eval_loss": 0.6}, {"loss": 0.5}, {"eval_loss": 0.4}, {"eval_loss": 0.4}], 1)
    True
    """
    # The position of the lowest loss, counted from the end, is how many validations had no lower loss.
    losses = [entry["eval_loss"] for entry in history if "eval_loss" in entry]
    return bool(patience and losses) and len(losses) - 1 - losses.index(min(losses)) >= patience
