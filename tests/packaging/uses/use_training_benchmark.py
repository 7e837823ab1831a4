"""TRL's trainer and ours side by side on made-up pairs, without problems or an experiment."""

from pathlib import Path

from iterpref_core.config import load_params
from tasks.benchmarks.bench_training import TrainingEffort, bench_training
from tasks.benchmarks.training_contestants import Shape

if __name__ == "__main__":
    head = Shape(8, 0, 0, 1, 1, vocabulary=9_000)
    effort = TrainingEffort(rounds=1, pairs=4, made_up=4, narrower=16, memory=head, memory_pairs=1)
    absent = Path("absent")
    found = bench_training(None, absent, absent, absent, load_params().training, effort)
    assert found["fork_speedup"].keys() == {"made_up"}, found
    assert found["loss_difference"] < 1e-3, found
