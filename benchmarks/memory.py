"""Memory of a whole training on the CPU, and of generation: `python -m benchmarks.memory [--json] [--steps 200]`.

The model has the shape of the embedded student and random weights. Its programs are made up and long, with their
prompts about as long as BigCodeBench's, so that every batch has another shape. Each measurement is a process of its
own, which tells its memory as it goes.

`training` is `iterpref train`'s entry with the settings of params.yaml:
    peak_ratio   highest memory of the process over `cpu_bytes` of `iterpref train --estimate`
    step_ratio   CPU seconds of a step over those of the same step where glibc keeps freed memory, median and quartiles
    kept_mb      highest memory where glibc keeps it, after `kept_steps` steps
`generation` is several rounds of prompts to the model, as in CodeFlow:
    peak_ratio   highest memory of the process over the tensors of the batch of the longest prompts and the libraries
    time_ratio   CPU seconds over those where glibc keeps freed memory
    kept_mb      highest memory where glibc keeps it

The processes that are compared run at the same time, so that other programs slow both: give each one core, with
`OMP_NUM_THREADS=1` on two cores.
"""

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import numpy as np
import psutil

from benchmarks.training import located, made_up_lines, made_up_pairs, peak_bytes
from iterpref_core.models.inference.backend import Request, Sampling
from iterpref_core.models.inference.transformers_model import TransformersModel
from iterpref_core.models.pretrained.checkpoints import read_config
from iterpref_core.models.pretrained.tokenizers import load_chat_template
from iterpref_core.nanolab.embedded_models import train_tokenizer
from iterpref_core.nanolab.pretrain import new_model
from iterpref_core.records import OBJECTIVES, PromptFormat, TrainingParams, load_params, prompt_text
from iterpref_core.storage.cores import usable_cores
from iterpref_core.training.data.tokenized_dataset import open_tokenized_dataset
from iterpref_core.training.estimate import estimate_training
from iterpref_core.training.trainer.train_objective import train_objective

ROOT = Path(__file__).parents[1]
Told = dict[str, Any]
"""The numbers of one measuring process: bytes, and CPU seconds."""
OBJECTIVE = "target-rpo"
PLAIN = PromptFormat(template="plain")
MB = 2**20
EPOCHS = 4
"""Epochs of the training, each with batches of other pairs and therefore of other shapes."""
ROUNDS = 3
"""Rounds of generation: a draft, and two refinements."""
BATCH = 64
"""Prompts that are answered at once."""
SAMPLING = Sampling(temperature=0.8, max_new_tokens=128, stops=("=",))
"""Random weights hardly ever end an answer; with an end string rows leave their batch at different times."""


def resident_bytes() -> int:
    """Return the memory of this process."""
    return int(psutil.Process().memory_info().rss)


def highest_bytes() -> int:
    """Return the highest memory that this process has had. That of `getrusage` would begin with its parent's."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def settings(size: int, steps: int | None = None) -> TrainingParams:
    """Return the settings of params.yaml, for a training that logs every step.

    Args:
        size: pairs of a batch, which are computed at once.
        steps: those to train; None: all epochs.
    """
    arguments: dict[str, Any] = {"logging_steps": 1}
    if steps is not None:
        arguments["max_steps"] = steps
    training = load_params(ROOT / "params.yaml").training
    # At the rate of the embedded experiment, random weights explode on programs of this length.
    rates = training.objectives[OBJECTIVE].model_copy(update={"learning_rate": 1e-6})
    return training.model_copy(
        update={
            "batch_size": size,
            "micro_batch_size": size,
            "epochs": EPOCHS,
            "arguments": arguments,
            "objectives": {**training.objectives, OBJECTIVE: rates},
        }
    )


def prepare(folder: Path, pairs_in_all: int) -> None:
    """Write a model, and so many pairs with their error regions."""
    pairs = made_up_pairs(pairs_in_all)
    tokenizer = train_tokenizer((prompt_text(pair.prompt) for pair in pairs[:200]), vocab_size=1024)
    model = new_model(tokenizer, load_params(ROOT / "params.yaml").nanolab)
    model.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    located(pairs, folder)


def estimate(folder: Path, size: int) -> Told:
    """Return the figures of `iterpref train --estimate` for batches of a size, and the mean tokens of a pair."""
    params = settings(size)
    model = folder / "model"
    pairs = folder / "focal.jsonl"
    with tempfile.TemporaryDirectory() as scratch:
        rows = open_tokenized_dataset(pairs, load_chat_template(model, PLAIN), str(model), params, Path(scratch))
        found = estimate_training(read_config(model), rows, OBJECTIVES[OBJECTIVE], params)
        programs = (rows.checks["chosen_tokens"] + rows.checks["rejected_tokens"]) / 2
        tokens = float((rows.checks["prompt_tokens"] + programs).mean())
    return {"estimate": found.peak_bytes, "cpu": found.cpu_bytes, "tokens": tokens}


def train(folder: Path, size: int, steps: int | None) -> Told:
    """Train in batches of a size.

    Returns:
        Memory before it (`libraries`) and at its highest, and after each step the memory and the CPU seconds.
    """
    libraries = resident_bytes()
    resident: list[int] = []
    seconds: list[float] = []

    def tell(_: dict[str, float], step: int) -> None:
        resident.append(resident_bytes())
        seconds.append(time.process_time())
        print(f"step {step}: {resident[-1] // MB} MB, highest {highest_bytes() // MB} MB", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        train_objective(
            pairs=folder / "focal.jsonl",
            model=folder / "model",
            objective=OBJECTIVE,
            params=settings(size, steps),
            out=work / "trained",
            curve=work / "curve.csv",
            scratch=work / "scratch",
            on_log=tell,
            prompt=PLAIN,
        )
    return {
        "libraries": libraries,
        "highest": highest_bytes(),
        "resident": resident,
        "seconds": seconds,
    }


def asked(prompts: int, turn: int) -> list[Request]:
    """Return the prompts of a round, of various lengths."""
    random = Random(turn)
    requests = []
    for number in range(prompts):
        lines = random.randint(5, 100)
        requests.append(Request(made_up_lines(random, lines), seed=number))
    return requests


def generate(folder: Path, prompts: int) -> Told:
    """Answer prompts in rounds, and return memory before it and at its highest, and the CPU seconds."""
    libraries = resident_bytes()
    model = TransformersModel(folder / "model", BATCH, PLAIN)
    resident: list[int] = []
    begun = time.process_time()
    for turn in range(ROUNDS):
        model.generate(asked(prompts, turn), SAMPLING)
        resident.append(resident_bytes())
    seconds = time.process_time() - begun
    return {
        "libraries": libraries,
        "highest": highest_bytes(),
        "resident": resident,
        "seconds": seconds,
    }


def count(folder: Path, prompts: int) -> Told:
    """Return the bytes of weights and tensors with which the longest prompts of all rounds are answered."""
    model = TransformersModel(folder / "model", BATCH, PLAIN)
    requests: list[Request] = []
    for turn in range(ROUNDS):
        requests += asked(prompts, turn)
    requests.sort(key=lambda request: len(prompt_text(request.prompt)))
    longest = requests[-BATCH:]
    peak = peak_bytes(lambda: model.generate(longest, SAMPLING))
    weights = (folder / "model/model.safetensors").stat().st_size
    return {"tensors": peak + weights}


def start(part: str, folder: Path, *options: str) -> subprocess.Popen[str]:
    """Start a process that measures one part."""
    command = [sys.executable, "-m", "benchmarks.memory"]
    command += ["--part", part]
    command += ["--folder", str(folder)]
    command += options
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def told_by(child: subprocess.Popen[str]) -> Told:
    """Return the measurement of a process, once it has ended."""
    output, _ = child.communicate()
    if child.returncode:
        raise SystemExit(f"error: a measuring process ended with exit status {child.returncode}")
    told: Told = json.loads(output.splitlines()[-1])
    return told


def measure_training(folder: Path, size: int, kept_steps: int) -> dict[str, Any]:
    """Measure a whole training, beside the first steps of one where glibc keeps freed memory."""
    options = ("--batch-size", str(size))
    counted = told_by(start("estimate", folder, *options))
    released = start("training", folder, *options)
    kept = start("training", folder, "--keep", "--steps", str(kept_steps), *options)
    found = told_by(released)
    kept_found = told_by(kept)
    # Without the first step, before which the reference was scored.
    seconds = np.diff(found["seconds"])
    kept_seconds = np.diff(kept_found["seconds"])
    ratios = seconds[: len(kept_seconds)] / kept_seconds
    low, median, high = np.percentile(ratios, [25, 50, 75]).round(3).tolist()
    tenth = max(1, len(found["resident"]) // 10)
    return {
        "peak_ratio": round(found["highest"] / counted["cpu"], 3),
        "peak_mb": round(found["highest"] / MB),
        "estimate_mb": round(counted["estimate"] / MB),
        "cpu_mb": round(counted["cpu"] / MB),
        "libraries_mb": round(found["libraries"] / MB),
        "between_steps_mb": [round(held / MB) for held in found["resident"][::tenth]],
        "steps": len(found["resident"]),
        "batch_size": size,
        "tokens_of_a_pair": round(counted["tokens"]),
        "step_s": round(float(np.median(seconds)), 2),
        "step_ratio": median,
        "quartiles": [low, high],
        "kept_mb": round(kept_found["highest"] / MB),
        "kept_steps": len(kept_found["resident"]),
    }


def measure_generation(folder: Path, prompts: int) -> dict[str, Any]:
    """Measure generation, beside the same where glibc keeps freed memory."""
    options = ("--prompts", str(prompts))
    counted = told_by(start("count", folder, *options))
    released = start("generation", folder, *options)
    kept = start("generation", folder, "--keep", *options)
    found = told_by(released)
    kept_found = told_by(kept)
    return {
        "peak_ratio": round(found["highest"] / (counted["tensors"] + found["libraries"]), 3),
        "peak_mb": round(found["highest"] / MB),
        "tensors_mb": round(counted["tensors"] / MB),
        "libraries_mb": round(found["libraries"] / MB),
        "between_rounds_mb": [round(held / MB) for held in found["resident"]],
        "prompts": prompts * ROUNDS,
        "cpu_s": round(found["seconds"], 1),
        "time_ratio": round(found["seconds"] / kept_found["seconds"], 3),
        "kept_mb": round(kept_found["highest"] / MB),
    }


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure all of it, with the machine and its load beside."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="iterpref-bench-") as name:
        folder = Path(name)
        size = arguments.batch_size
        prepare(folder, size * math.ceil(arguments.steps / EPOCHS))
        generation = measure_generation(folder, arguments.prompts)
        training = measure_training(folder, size, min(arguments.kept_steps, arguments.steps))
    return {
        "training": training,
        "generation": generation,
        "machine": f"{usable_cores()} cores, {platform.machine()}, {platform.system()}",
        "load_before": round(load, 2),
        "load_after": round(os.getloadavg()[0], 2),
    }


def measure_part(arguments: argparse.Namespace) -> Told:
    """Measure one part in this process."""
    keep: AbstractContextManager[Any] = nullcontext()
    if arguments.keep:
        keep = patch("iterpref_core.models.pretrained.freed_memory.release_freed_memory")
    with keep:
        if arguments.part == "estimate":
            return estimate(arguments.folder, arguments.batch_size)
        if arguments.part == "count":
            return count(arguments.folder, arguments.prompts)
        if arguments.part == "generation":
            return generate(arguments.folder, arguments.prompts)
        return train(arguments.folder, arguments.batch_size, arguments.steps)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--steps", type=int, help="of the training; default 200")
    parser.add_argument("--batch-size", type=int, default=16, help="pairs that are computed at once, and make a step")
    parser.add_argument("--kept-steps", type=int, default=20, help="of the training where glibc keeps freed memory")
    parser.add_argument("--prompts", type=int, default=400, help="of each round of generation")
    parser.add_argument("--part", choices=["training", "estimate", "generation", "count"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--keep", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        print(json.dumps(measure_part(arguments)))
        return
    arguments.steps = arguments.steps or 200
    result = measure(arguments)
    if arguments.json:
        print(json.dumps({"memory": result}))
        return
    for name, value in result.items():
        print(f"{name:16} {value}")


if __name__ == "__main__":
    main()
