"""A training gives freed memory back, as the next micro-batch has another shape."""

import pytest
import torch

from iterpref_core.inference.local import freed_memory
from iterpref_core.inference.local.freed_memory import RELEASE_EVERY
from tests.training.conftest import Train


def test_memory_is_released_after_some_micro_batches(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    released: list[torch.device] = []
    monkeypatch.setattr(freed_memory, "release_freed_memory", released.append)
    metrics = train("run", "sft", epochs=2, batch_size=4, micro_batch_size=2)
    micro_batches = 2 * int(metrics["steps"])
    assert released == [torch.device("cpu")] * (micro_batches // RELEASE_EVERY)
    assert released


def test_memory_is_released_while_the_reference_is_scored(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    released: list[torch.device] = []
    monkeypatch.setattr(freed_memory, "release_freed_memory", released.append)
    metrics = train("run", "dpo", epochs=1, batch_size=12, micro_batch_size=2)
    micro_batches = 6 * int(metrics["steps"])
    # Of 12 pairs 24 programs are scored, four at once.
    assert len(released) == 6 // RELEASE_EVERY + micro_batches // RELEASE_EVERY
