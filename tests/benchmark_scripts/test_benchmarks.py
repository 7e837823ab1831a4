"""The benchmarks' plumbing, on little of everything; what they measure is never asserted."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from benchmarks import execution, ingestion, pipeline
from iterpref_core.records import IoTest, Problem
from iterpref_core.records.config import TrainingParams
from iterpref_core.records.objective_table import OBJECTIVES
from iterpref_core.storage.jsonl import write_jsonl
from tests.settings import section

pytestmark = pytest.mark.slow

PARAMS = section(
    TrainingParams, max_prompt_length=64, max_length=192, batch_size=4, micro_batch_size=2, gradient_checkpointing=True
)


def test_execution_prints_what_the_contract_names():
    command = [sys.executable, execution.__file__, "--json", "--rounds", "1", "--programs", "8"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)["execution"]
    assert {"cpu_vs_evalplus", "tier", "executions_per_s"} <= found.keys()


def test_ingestion_is_measured_with_and_without_programs_that_run():
    for read_only in (False, True):
        found = ingestion.measure(3, 2, read_only=read_only)
        assert (found["rows"], found["tests"]) == (3, 2)
        assert {"rows_per_s", "peak_mb", "cpu_share", "size_mb"} <= found.keys()


def test_calls_of_an_endpoint_are_measured_at_a_busy_server():
    from benchmarks import endpoint

    found = endpoint.measure(40, 4, 1, latency_s=0.01)
    assert found["missing"] == 0
    assert {"cpu_ratio", "time_ratio", "machine", "load"} <= found.keys()


def test_time_in_which_bodies_ran_is_counted_once():
    assert pipeline.covered_seconds([(0, 4), (2, 5), (7, 8)]) == 6.0


def test_memory_is_measured_in_training_and_generation(tmp_path, monkeypatch):
    from benchmarks import memory

    monkeypatch.setattr(memory, "SAMPLING", replace(memory.SAMPLING, max_new_tokens=3))
    memory.prepare(tmp_path, 2)
    estimated = memory.estimate(tmp_path, size=2)
    trained = memory.train(tmp_path, size=2, steps=1)
    assert len(trained["resident"]) == len(trained["seconds"]) == 1
    assert trained["highest"] >= trained["resident"][0] > trained["libraries"] > 0
    assert estimated["estimate"] > 4 * 3 * 10**6  # the optimizer's state of as many weights
    assert estimated["cpu"] > estimated["estimate"] + 2**30  # libraries, and freed memory that is kept
    generated = memory.generate(tmp_path, prompts=2)
    assert len(generated["resident"]) == memory.ROUNDS
    assert memory.count(tmp_path, prompts=2)["tensors"] > (tmp_path / "model/model.safetensors").stat().st_size


def test_a_step_of_ours_has_the_loss_of_trl_s(tmp_path):
    from benchmarks import training
    from iterpref_core.nanolab.byte_bpe import train_tokenizer

    problems = [
        Problem(
            task_id=f"p{number}",
            prompt=f"Sum what is above {number}." + " Take care." * (number % 3),
            entry_point="f",
            reference=f"def f(nums):\n    kept = [n for n in nums if n > {number}]\n    return sum(kept)\n",
            tests=(IoTest(call="f([0])", expected="0"),),
            source="test",
        )
        for number in range(6)
    ]
    write_jsonl(tmp_path / "problems.jsonl", problems)
    pairs = training.changed_references(tmp_path / "problems.jsonl")
    assert all(pair.chosen != pair.rejected for pair in pairs)
    tokenizer = train_tokenizer((f"{pair.prompt}\n{pair.chosen}" for pair in pairs), vocab_size=300)
    rows = training.tokenized(*training.located(pairs, tmp_path), tokenizer, PARAMS)
    found = training.compare(tokenizer, rows, rounds=2, batch_size=3, narrower=16)
    assert found["loss_difference"] == pytest.approx(0, abs=1e-4)
    assert 0 < found["memory_ratio"] < 1


def test_the_recipe_trains():
    from benchmarks import gpu, training

    found = training.recipe(section(TrainingParams, batch_size=2, micro_batch_size=2), 3, gpu.TINY)
    assert found["tokens_per_s"] > 0
    assert found["mfu"] is found["peak_gb"] is None
    assert found["positions"] > 0
    assert found["reference_hours"] > 0


def test_each_step_towards_a_card_s_peak_runs_on_a_cpu(tmp_path):
    """One in a process of its own, as on a card: each process imports its libraries for seconds.

    A tiny run sets the size of its micro-batches itself, so that the last two steps are one.
    """
    from benchmarks import gpu

    *steps, _, last = gpu.MFU_STEPS
    for part in steps:
        gpu.run_here(part, tmp_path, tiny=True)
    gpu.run_in_a_process(last, tmp_path, tiny=True)
    for part in (*steps, last):
        assert json.loads((tmp_path / f"{part}.json").read_text())["tokens_per_s"] > 0


@pytest.fixture(scope="module")
def pairs_of_the_benchmark():
    from benchmarks import gpu

    return gpu.Bench(tiny=False).rows(96, gpu.Bench(tiny=False).params())[0]


@pytest.mark.parametrize(("size", "saved"), [(1, 0.0), (2, 0.06), (4, 0.1), (16, 0.15)])
def test_a_gpu_computes_fewer_positions_by_packing_rows_full(size, saved, pairs_of_the_benchmark):
    from benchmarks import training

    full, by_width = (training.positions(pairs_of_the_benchmark, size, on_gpu=on_gpu) for on_gpu in (True, False))
    assert full <= (1 - saved) * by_width
    assert full < 1.05 * sum(
        len(row.prompt_ids) + len(row.chosen_ids) + max(row.focal_end - row.shared_prefix + 1, 0)
        for row in pairs_of_the_benchmark
    ) / len(pairs_of_the_benchmark)


def test_kept_activations_save_a_forward_pass(pairs_of_the_benchmark):
    """Of three passes' worth of FLOPs, forward and backward, checkpointing makes four, but for the head."""
    from benchmarks import gpu, training
    from iterpref_core.training.estimate.estimate import estimate_training

    params = gpu.Bench(tiny=True).params()
    flops = []
    for checkpointing in (True, False):
        settings = params.model_copy(update={"gradient_checkpointing": checkpointing})
        config = training.config_of(gpu.TINY | {"vocab_size": 600}, tied=False)
        flops.append(estimate_training(config, pairs_of_the_benchmark[:8], OBJECTIVES["target-rpo"], settings).flops)
    assert 1.1 < flops[0] / flops[1] < 4 / 3
