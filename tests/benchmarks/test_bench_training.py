"""The benchmark of training: its plumbing on few pairs, and its contestants against each other; no times."""

from pathlib import Path

import pytest
import torch

from iterpref_core.config import TrainingParams
from iterpref_core.errors import InputError
from iterpref_core.localization.localization import ON_TEXT
from iterpref_core.records import AssertTest, FocalSpans, Problem
from iterpref_core.storage.jsonl import write_jsonl
from tasks.benchmarks.bench_training import TrainingEffort, bench_training, default_effort, mutated_pairs
from tasks.benchmarks.device_meters import Device
from tasks.benchmarks.tensor_memory import peak_bytes
from tasks.benchmarks.training_contestants import SHAPES, Shape
from tests.settings import section

PARAMS = section(TrainingParams, max_prompt_length=64, max_length=192)
CPU = Device("cpu")


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    path = tmp_path / "problems.jsonl"
    write_jsonl(
        path,
        [
            Problem(
                task_id=f"p{number}",
                prompt=f"Sum what is above {number}." + " Take care." * (number % 3),
                entry_point="f",
                reference=f"def f(nums):\n    kept = [n for n in nums if n > {number}]\n    return sum(kept)\n",
                tests=(AssertTest(code="assert f([0]) == 0"),),
                source="test",
            )
            for number in range(9)
        ],
    )
    return path


def test_three_contestants_have_one_loss_on_both_lists_of_pairs(
    problems: Path, tmp_path: Path, word_model: Path
) -> None:
    pairs, spans = tmp_path / "pairs.jsonl", tmp_path / "focal.jsonl"
    made = mutated_pairs(problems)
    write_jsonl(pairs, made)
    find = ON_TEXT["line_lcs"][0]
    write_jsonl(
        spans,
        [
            FocalSpans(
                task_id=pair.task_id, method="line_lcs", rejected=find(pair.rejected, pair.chosen).rejected, chosen=()
            )
            for pair in made
        ],
    )
    effort = TrainingEffort(
        rounds=1,
        pairs=2,
        made_up=4,
        narrower=16,
        layers=2,
        memory=Shape(32, 0, 0, 1, 1, vocabulary=30_000),
        memory_pairs=2,
    )
    result = bench_training(problems, pairs, spans, word_model, PARAMS, effort)
    assert result["fork_speedup"].keys() == {"mbpp", "nanolab", "made_up"}
    assert result["loss_difference"] < 1e-4
    assert result["memory_ratio"] < 0.35
    assert result["models"].keys() == SHAPES.keys()
    for lists in result["models"].values():
        assert len(lists["mbpp"]["quartiles"]) == 4
        bounds = [quartile["bound"] for quartile in lists["mbpp"]["quartiles"]]
        assert all(bound > 1 for bound in bounds)
        assert all(own["step_mb"].keys() == {"trl", "padded", "fork"} for own in lists.values())
    assert (result["device"], result["precision"]) == (CPU.name, "float32")


def test_without_an_experiment_only_the_problems_are_measured(problems: Path, tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    effort = TrainingEffort(
        rounds=1,
        pairs=2,
        made_up=4,
        narrower=16,
        layers=2,
        memory=Shape(8, 0, 0, 1, 1, vocabulary=9_000),
        memory_pairs=1,
    )
    result = bench_training(problems, absent, absent, absent, PARAMS, effort)
    assert result["fork_speedup"].keys() == {"mbpp", "made_up"}


def test_without_problems_pairs_are_made_up(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    effort = TrainingEffort(
        rounds=1, pairs=4, made_up=4, narrower=16, memory=Shape(8, 0, 0, 1, 1, vocabulary=9_000), memory_pairs=1
    )
    result = bench_training(None, absent, absent, absent, PARAMS, effort)
    assert result["fork_speedup"].keys() == {"made_up"}


def test_a_gpu_is_given_the_published_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_effort() == TrainingEffort()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    effort = default_effort()
    assert {name: shape.scaled(effort.narrower, effort.layers) for name, shape in SHAPES.items()} == SHAPES


def test_problems_without_references_are_refused(tmp_path: Path) -> None:
    empty = tmp_path / "problems.jsonl"
    empty.write_text("")
    with pytest.raises(InputError, match="give MBPP's problems"):
        mutated_pairs(empty)


@pytest.mark.parametrize("name", SHAPES)
def test_a_scaled_model_keeps_the_share_of_the_head(name: str) -> None:
    shape = SHAPES[name]
    small = shape.scaled(4, 2)
    assert small.head_share == pytest.approx(shape.head_share, rel=1e-3)
    matrices = [weight for weight in small.build(CPU).model.layers.parameters() if weight.ndim == 2]
    assert sum(weight.numel() for weight in matrices) == small.decoder_weights


def test_the_shapes_are_those_of_the_published_models() -> None:
    assert SHAPES["0.5B"].decoder_weights + SHAPES["0.5B"].head_weights == pytest.approx(0.494e9, rel=0.001)
    assert SHAPES["1.5B"].decoder_weights + SHAPES["1.5B"].head_weights == pytest.approx(1.544e9, rel=0.001)


def test_peak_memory_is_that_of_what_lives_at_one_time() -> None:
    def one_after_the_other() -> None:
        for _ in range(5):
            torch.zeros(1000).add_(1).view(10, 100)

    def together() -> list[torch.Tensor]:
        return [torch.zeros(1000) for _ in range(5)]

    assert peak_bytes(one_after_the_other) <= 2 * 4000
    assert peak_bytes(together) == 5 * 4000


def test_peak_memory_includes_gradients() -> None:
    weight = torch.ones(1000, requires_grad=True)
    assert peak_bytes(lambda: (weight * weight).sum().backward()) >= 2 * 4000
