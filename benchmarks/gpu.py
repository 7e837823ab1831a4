"""Measure on one GPU the layout `fork` against TRL, a full training, FSDP2, and quantized bases.

    python -m benchmarks.gpu OUT [PART ...] [--tiny]

Each part runs in a process of its own within a time limit, and writes OUT/PART.json as soon as it is done, so that a
machine that is lent for minutes leaves its measurements. Models have random weights and the shape of Qwen2.5; pairs
are made up. No hub is asked. `--tiny` tries the parts with small models on a CPU, where numbers have no meaning.

`estimates`  the result of `iterpref train --estimate` for the models below; needs no GPU.
`compare`    fork with flex attention against TRL's DPOTrainer at the size of Qwen2.5-Coder-0.5B, in bfloat16.
`attention`  log-probabilities, loss and gradient with flex attention against those with sdpa and eager attention.
`recipe`     steps of Target-RPO on all weights of a model of 3B, held in float32.
`mfu-…`      steps of a model of 7B, held in float32 with an 8-bit optimizer, and the scoring of its reference; each
             part with one change more: packed rows, no activation checkpointing, compiled blocks, micro-batches of 4.
`mask`       the mask of flex attention, made step by step and by a compiled function.
`fsdp`       a training by config/accelerate/fsdp2.yaml in one process, and the same without: losses and weights.
`qlora-7b`   `training.load: 4bit` of a model of 7B, by `iterpref train`'s entry.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch.nn.attention.flex_attention import create_block_mask
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from benchmarks.training import (
    DEVICE,
    QWEN_0_5B,
    QWEN_7B,
    Sizes,
    clock,
    compare,
    config_of,
    located,
    made_up_pairs,
    model_of,
    recipe,
    tokenized,
)
from iterpref_core.nanolab.embedded_models import train_tokenizer
from iterpref_core.records import OBJECTIVES, TrainingParams, load_params, prompt_text, read_yaml
from iterpref_core.training.data.batches import PAD_TO_MULTIPLE_OF, Batch, Collator
from iterpref_core.training.data.tokenized_pair import TokenizedPair
from iterpref_core.training.estimate import estimate_training
from iterpref_core.training.model.attention import mask_function
from iterpref_core.training.model.label_head import add_label_head, batch_logps

QWEN_3B: Sizes = {
    "hidden_size": 2048,
    "intermediate_size": 11_008,
    "num_hidden_layers": 36,
    "num_attention_heads": 16,
    "num_key_value_heads": 2,
    "vocab_size": 151_936,
}
TINY: Sizes = {
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 640,
}
FULL = {"load": "auto", "batch_size": 32, "micro_batch_size": 2}
_RECIPE = FULL | {"gradient_checkpointing": True, "arguments": {"optim": "adamw_8bit"}}
_KEPT = _RECIPE | {"gradient_checkpointing": False}
_COMPILED = _KEPT | {"arguments": {"optim": "adamw_8bit", "torch_compile": True}}
MFU_STEPS: dict[str, dict[str, Any]] = {
    "mfu-packed": _RECIPE,
    "mfu-kept": _KEPT,
    "mfu-compiled": _COMPILED,
    "mfu-micro-4": _COMPILED | {"micro_batch_size": 4},
}
"""Part → settings of a training of 7B, each with one change more than the one before."""
SECONDS = {
    "estimates": 600,
    "compare": 110,
    "attention": 60,
    "recipe": 110,
    "fsdp": 120,
    "mask": 60,
    "qlora-7b": 110,
} | dict.fromkeys(MFU_STEPS, 230)
"""Part → the seconds that it may take."""
ROOT = Path(__file__).parents[1]
FOUR_BITS = {
    "load": "4bit",
    "lora": {"r": 16, "lora_alpha": 32},
    "batch_size": 16,
    "micro_batch_size": 2,
}


class Bench:
    """The models of a run, real ones or tiny ones, and the settings that all parts share."""

    def __init__(self, *, tiny: bool) -> None:
        self.tiny = tiny
        shared = {
            "gradient_checkpointing": True,
            "nll": "sum",
            "bf16": DEVICE.type == "cuda",
            "layout": "fork",
        }
        self._params = load_params(ROOT / "params.yaml").training.model_copy(update=shared)

    def sizes(self, real: Sizes) -> Sizes:
        """Return the sizes of a model of this run."""
        return TINY if self.tiny else real

    def params(self, **settings: object) -> TrainingParams:
        """Return the shared settings with some replaced; a tiny run has small batches."""
        small = {"batch_size": 4, "micro_batch_size": 2} if self.tiny else {}
        return self._params.model_copy(update=settings | small)

    def rows(
        self,
        count: int,
        params: TrainingParams,
    ) -> tuple[list[TokenizedPair], PreTrainedTokenizerBase]:
        """Return made-up pairs, tokenized and with a made-up reference, and their tokenizer."""
        pairs = made_up_pairs(count)
        tokenizer = train_tokenizer((prompt_text(pair.prompt) for pair in pairs[:200]), vocab_size=512)
        with tempfile.TemporaryDirectory() as folder:
            return tokenized(located(pairs, Path(folder)), tokenizer, params), tokenizer


def estimates(bench: Bench) -> dict[str, Any]:
    """Estimate every model of the parts `recipe` and `qlora-...`, in the settings that they train in."""
    trainings = (
        ("recipe", QWEN_3B, FULL),
        *((step, QWEN_7B, settings) for step, settings in MFU_STEPS.items()),
        ("qlora-7b", QWEN_7B, FOUR_BITS),
    )
    found: dict[str, Any] = {}
    for name, sizes, settings in trainings:
        params = bench.params(**settings | {"bf16": True})
        rows, _ = bench.rows(64, params)
        config = config_of(bench.sizes(sizes), tied=False)
        estimate = estimate_training(config, rows, OBJECTIVES["target-rpo"], params)
        found[name] = {
            "peak_gb": round(estimate.peak_bytes / 1e9, 2),
            "parameters": estimate.parameters,
        }
        print(name, found[name], flush=True)
    return found


def compare_with_trl(bench: Bench) -> dict[str, Any]:
    """Compare a step of the fork with TRL's, as benchmarks/training.py does."""
    rows, tokenizer = bench.rows(64, bench.params())
    if bench.tiny:
        return compare(tokenizer, rows, rounds=2, batch_size=4, narrower=4)
    return compare(tokenizer, rows, rounds=16, batch_size=16, narrower=1)


def compare_attention(bench: Bench) -> dict[str, Any]:
    """Compute one batch with each attention that takes a mask of its own; flex attention needs a GPU."""
    rows, _ = bench.rows(4, bench.params())
    batch = Collator(OBJECTIVES["target-rpo"], "fork", 0, PAD_TO_MULTIPLE_OF)(rows)
    batch = {name: values.to(DEVICE) for name, values in batch.items()}
    implementations = ["sdpa", "eager"]
    if DEVICE.type == "cuda":
        implementations.append("flex_attention")
    found: dict[str, Any] = {}
    for dtype in (torch.float32, torch.bfloat16):
        model = model_of(bench.sizes(QWEN_0_5B)).to(dtype)
        add_label_head(model)
        results = {}
        for implementation in implementations:
            model.set_attn_implementation(implementation)
            results[implementation] = _loss_and_gradient(model, batch)
        logps, loss, gradient = results["eager"]
        for implementation in implementations:
            other_logps, other_loss, other_gradient = results[implementation]
            found[f"{implementation}, {dtype}".replace("torch.", "")] = {
                "loss": other_loss,
                "loss_off": abs(other_loss - loss) / abs(loss),
                "largest_logp_off": float((other_logps - logps).abs().max()),
                "gradient_off": float((other_gradient - gradient).norm() / gradient.norm()),
            }
    return found


def _loss_and_gradient(model: PreTrainedModel, batch: Batch) -> tuple[torch.Tensor, float, torch.Tensor]:
    """Return log-probabilities, the mean NLL of counted tokens, and the gradient of the first layer's queries."""
    logps = batch_logps(model, batch, model.config)
    weighted = logps * batch["w_nll"]
    loss = -weighted.sum() / len(batch["counts"])
    model.zero_grad()
    loss.backward()
    query = model.get_submodule("model.layers.0.self_attn.q_proj")
    gradient = query.weight.grad
    assert isinstance(gradient, torch.Tensor)
    return logps.detach(), loss.item(), gradient.float().clone()


def mask_times(bench: Bench) -> dict[str, Any]:
    """Time a batch's mask for flex attention, made step by step and by a compiled function, in ten shapes each."""
    rows, _ = bench.rows(64, bench.params())
    collate = Collator(OBJECTIVES["target-rpo"], "fork", 0, PAD_TO_MULTIPLE_OF)
    masks = []
    for first in range(0, 60, 2):
        batch = collate(rows[first : first + 2])
        masks.append(batch["visible"].to(DEVICE))
    shapes = {tuple(visible.shape) for visible in masks}
    compiled = torch.compile(create_block_mask, dynamic=True)
    found: dict[str, Any] = {"shapes": len(shapes)}
    for name, make in (("as it is", create_block_mask), ("compiled", compiled)):
        seconds = []
        for visible in masks:
            count, width, _ = visible.shape
            start = clock()
            make(
                mask_function(visible),
                B=count,
                H=None,
                Q_LEN=width,
                KV_LEN=width,
                device=DEVICE,
            )
            seconds.append(clock() - start)
        found[name] = {
            "first_s": seconds[0],
            "median_s": float(np.median(seconds)),
            "all_s": sum(seconds),
        }
    return found


def full_training(bench: Bench) -> dict[str, Any]:
    """Train all weights of a model of 3B for some steps."""
    return recipe(bench.params(**FULL), 5, bench.sizes(QWEN_3B))


def mfu(step: str, bench: Bench) -> dict[str, Any]:
    """Train all weights of a model of 7B for some steps, with the settings of a row of `MFU_STEPS`."""
    os.environ["ACCELERATE_DYNAMO_USE_REGIONAL_COMPILATION"] = "true"  # each decoder block
    os.environ["ACCELERATE_DYNAMO_USE_DYNAMIC"] = "true"  # of rows of any width
    params = bench.params(**MFU_STEPS[step])
    if bench.tiny:
        # Without a compiler the blocks are traced alone.
        backend = {"torch_compile_backend": "eager"} if "torch_compile" in params.arguments else {}
        params = params.model_copy(update={"arguments": params.arguments | backend})
    return recipe(params, 5, bench.sizes(QWEN_7B))


def four_bits(bench: Bench) -> dict[str, Any]:
    """Train adapters on a model of 7B in four bits for some steps."""
    return recipe(bench.params(**FOUR_BITS), 5, bench.sizes(QWEN_7B))


def fsdp(bench: Bench) -> dict[str, Any]:
    """Train a small model by `iterpref train`, in this process's way and by FSDP2 in one process."""
    small = QWEN_0_5B | {"num_hidden_layers": 4}
    params = bench.params()
    pairs = made_up_pairs(16)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tokenizer = train_tokenizer((prompt_text(pair.prompt) for pair in pairs), vocab_size=512)
        model_of(bench.sizes(small)).save_pretrained(folder / "model")
        tokenizer.save_pretrained(folder / "model")
        configuration = read_yaml(ROOT / "config/accelerate/fsdp2.yaml")
        configuration |= {
            "num_processes": 1,
            "use_cpu": DEVICE.type == "cpu",
        }
        (folder / "fsdp2.yaml").write_text(json.dumps(configuration), encoding="utf-8")
        launchers: dict[str, list[str]] = {
            "alone": [],
            "fsdp2": ["-m", "accelerate.commands.launch", "--config_file", str(folder / "fsdp2.yaml")],
        }
        marked = located(pairs, folder)
        settings = {
            "batch_size": 8,
            "micro_batch_size": 2,
            "epochs": 2,
            "bf16": params.bf16,
            "gradient_checkpointing": True,
        }
        for way, launcher in launchers.items():
            inputs = {"pairs": marked, "model": folder / "model", "out": folder / way}
            command = [sys.executable, *launcher, "-m", "iterpref_core.cli", "train", "--json"]
            command += train_options(inputs, settings)
            start = time.perf_counter()
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            if done.returncode:
                return {"failed": way, "error": done.stderr[-2000:]}
            seconds = time.perf_counter() - start
            curve = np.genfromtxt(folder / f"{way}.curve.csv", delimiter=",", names=True)
            found[way] = {
                "losses": curve["loss"].tolist(),
                "seconds": round(seconds, 1),
            }
        alone = load_file(folder / "alone" / "model.safetensors")
        fsdp2 = load_file(folder / "fsdp2" / "model.safetensors")
        base = load_file(folder / "model" / "model.safetensors")
        off = _squared_distance(alone, fsdp2)
        moved = _squared_distance(alone, base)
    losses_off = np.array(found["alone"]["losses"]) - np.array(found["fsdp2"]["losses"])
    found["largest_loss_off"] = float(np.abs(losses_off).max())
    found["weights_off"] = (off / moved) ** 0.5  # as a share of what training changed
    return found


def train_options(paths: Mapping[str, Path], settings: Mapping[str, object]) -> list[str]:
    """Return the options of `iterpref train` with Target-RPO."""
    options = ["--objective", "target-rpo"]
    for name, path in paths.items():
        options += [f"--{name}", str(path)]
    for key, value in settings.items():
        options += ["--set", f"training.{key}={json.dumps(value)}"]
    return options


def _squared_distance(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> float:
    """Return the sum of squared differences over all weights of two models."""
    total = 0.0
    for key, weights in one.items():
        difference = weights.float() - other[key].float()
        total += float(difference.square().sum())
    return total


PARTS: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "estimates": estimates,
    "compare": compare_with_trl,
    "attention": compare_attention,
    "recipe": full_training,
    "fsdp": fsdp,
    "mask": mask_times,
    "qlora-7b": four_bits,
} | {step: partial(mfu, step) for step in MFU_STEPS}


def main() -> None:
    """Run each part in a process of its own, and print its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for PART.json")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all but estimates")
    parser.add_argument("--tiny", action="store_true", help="small models, to try the parts")
    parser.add_argument("--here", action="store_true", help="the one part in this process")
    arguments = parser.parse_args()
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    if arguments.here:
        (part,) = arguments.parts
        run_here(part, out, tiny=arguments.tiny)
        return
    parts = arguments.parts or [part for part in PARTS if part != "estimates"]
    for part in parts:
        run_in_a_process(part, out, tiny=arguments.tiny)


def run_here(part: str, out: Path, *, tiny: bool) -> None:
    """Measure a part in this process; write and print its result."""
    start = time.perf_counter()
    found = PARTS[part](Bench(tiny=tiny))
    found["seconds"] = round(time.perf_counter() - start, 1)
    found["device"] = torch.cuda.get_device_name() if DEVICE.type == "cuda" else "CPU"
    (out / f"{part}.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({part: found}), flush=True)


def run_in_a_process(part: str, out: Path, *, tiny: bool) -> None:
    """Measure a part in a process that ends after the part's time; print the end of its log if it fails."""
    command = [sys.executable, "-m", "benchmarks.gpu", str(out), part, "--here"]
    if tiny:
        command.append("--tiny")
    start = time.perf_counter()
    log = out / f"{part}.log"
    code: int | str
    with log.open("w") as file:
        try:
            code = subprocess.run(command, stderr=file, timeout=SECONDS[part], check=False).returncode
        except subprocess.TimeoutExpired:
            code = f"ended after its {SECONDS[part]} s"
    seconds = time.perf_counter() - start
    print(f"{part}: {seconds:.0f} s, exit code {code}", flush=True)
    if code != 0:
        lines = log.read_text(errors="replace").splitlines()
        print("\n".join(lines[-15:]), flush=True)


if __name__ == "__main__":
    main()
