"""Compare a step of TRL's DPOTrainer with a step of shared prefixes, on the same pairs and weights, Target-DPO.

    python benchmarks/training.py [--json] [--problems mbpp.jsonl]

`fork_speedup` is the median over rounds of TRL's time over ours: of pairs made of a file of problems by changing their
references (`mbpp`), and of the pairs of the experiment here (`nanolab`). On a CPU, TRL gets a head that scores only
the tokens that its mask counts, since against its own head anything looks fast. The clock is the process's on a CPU,
and the wall's on a GPU.
`memory_ratio` is the peak of a step's tensors, ours over TRL's as it is; `mask_share` the time of making batches
and masks; `loss_difference` the largest of all steps. On a GPU `recipe` trains a 7B model of random weights for some
steps as the paper does (arXiv 2503.02783: batches of 128 pairs of at most 2,048 tokens), by `iterpref train`'s entry.
"""

import argparse
import ast
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from random import Random
from types import MethodType
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from datasets import Dataset
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn.utils.rnn import pad_sequence
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase, Qwen2Config
from trl import DPOConfig, DPOTrainer
from trl.trainer.utils import FusedCausalLMOutput

from iterpref_core.models.pretrained.chat_template import ChatTemplate
from iterpref_core.models.pretrained.tokenizers import load_tokenizer
from iterpref_core.nanolab.embedded_models import train_tokenizer
from iterpref_core.records import (
    OBJECTIVES,
    PreferencePair,
    Problem,
    PromptFormat,
    TrainingParams,
    load_params,
    prompt_text,
)
from iterpref_core.storage.cores import usable_cores
from iterpref_core.storage.jsonl import read_jsonl, read_pairs, write_jsonl
from iterpref_core.training.data.batches import Collator, row_multiple
from iterpref_core.training.data.tokenization import tokenize_pairs
from iterpref_core.training.data.tokenized_pair import TokenizedPair
from iterpref_core.training.model.attention import attention_mask
from iterpref_core.training.model.reference import reference_logps
from iterpref_core.training.objectives.objective_settings import settings_of
from iterpref_core.training.trainer import train_objective as stage
from iterpref_core.training.trainer.focal_trainer import FocalTrainer

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
DTYPE = torch.bfloat16 if DEVICE.type == "cuda" else torch.float32
Sizes = dict[str, int]
"""The sizes of a Qwen2 model, by the names of its configuration."""
QWEN_0_5B: Sizes = {
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "vocab_size": 151_936,
}
QWEN_7B: Sizes = {
    "hidden_size": 3584,
    "intermediate_size": 18_944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "vocab_size": 152_064,
}
PAIRS_OF_THE_PAPER = 59_000
FLOPS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12}
"""Card → FLOPs a second of dense bfloat16, by the data sheets."""


def clock() -> float:
    """Return seconds: on a GPU of real time, once its queue is empty; on a CPU of this process."""
    if DEVICE.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def config_of(sizes: Sizes, *, tied: bool) -> Qwen2Config:
    """Return the configuration of a Qwen2 of these sizes; `tied` makes the head of the embeddings' weights."""
    return Qwen2Config(
        **sizes,
        tie_word_embeddings=tied,
        bos_token_id=None,
        pad_token_id=0,
        eos_token_id=1,
        max_position_embeddings=32_768,
    )


def model_of(sizes: Sizes, *, tied: bool = True) -> PreTrainedModel:
    """Return a Qwen2 of random weights, the same for the same sizes."""
    torch.manual_seed(0)
    with DEVICE:
        return AutoModelForCausalLM.from_config(config_of(sizes, tied=tied), dtype=DTYPE)


class Watch(TorchDispatchMode):
    """A counter of the bytes of all tensors that live at one time, gradients included."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = 0
        self._alive: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: Any = (),
        kwargs: Any = None,
    ) -> Any:
        # A view, such as `x[1:]`, has the storage of an argument, and takes no memory of its own.
        known = set()
        for leaf in tree_leaves((args, kwargs)):
            if torch.is_tensor(leaf):
                known.add(leaf.untyped_storage().data_ptr())
        result = func(*args, **(kwargs or {}))
        self._forget_freed()
        for leaf in tree_leaves(result):
            if not torch.is_tensor(leaf):
                continue
            storage = leaf.untyped_storage()
            if storage.data_ptr() not in known | self._alive.keys():
                self._alive[storage.data_ptr()] = StorageWeakRef(storage), storage.nbytes()
        held = sum(size for _, size in self._alive.values())
        self.peak = max(self.peak, held)
        return result

    def _forget_freed(self) -> None:
        for key, (storage, _) in list(self._alive.items()):
            if storage.expired():
                del self._alive[key]


def peak_bytes(compute: Callable[[], object]) -> int:
    """Return the most bytes of a computation's tensors: on a GPU by its allocator, on a CPU by watching operations."""
    if DEVICE.type == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        compute()
        torch.cuda.synchronize()
        return int(torch.cuda.max_memory_allocated() - before)
    watch = Watch()
    with watch:
        compute()
    return watch.peak


class Contestant:
    """A trainer, and its layout of pairs. At a learning rate of 0 the weights before each step are the same."""

    def __init__(
        self,
        trainer: Any,
        lay_out: Callable[[Sequence[TokenizedPair]], dict[str, torch.Tensor]],
    ) -> None:
        self._trainer = trainer
        self._lay_out = lay_out
        self._optimizer = torch.optim.AdamW(trainer.model.parameters(), lr=0.0, fused=True)

    def step(self, pairs: Sequence[TokenizedPair]) -> tuple[float, float, float]:
        """Collate, forward, backward, update; return seconds, the part of batch and mask, and the loss."""
        start = clock()
        batch = {name: values.to(DEVICE) for name, values in self._lay_out(pairs).items()}
        layout = clock() - start
        loss = self._trainer.compute_loss(self._trainer.model, batch)
        loss.backward()
        self._optimizer.step()
        self._optimizer.zero_grad()
        seconds = clock() - start
        if "visible" in batch:
            # The loss has made this mask, among other things. To make it again shows the time of it alone.
            start = clock()
            attention_mask(batch["visible"], self._trainer.model.config._attn_implementation)  # noqa: SLF001 - as ever
            layout += clock() - start
        return seconds, layout, loss.item()


class UnpreparedDPOTrainer(DPOTrainer):
    """TRL's loss; batches are made by `trl_batch`, without a data set to prepare."""

    def _prepare_dataset(self, dataset: Dataset, *_: Any, **__: Any) -> Dataset:
        return dataset

    def _precompute_ref_logps(self, dataset: Dataset, *_: Any, **__: Any) -> Dataset:
        return dataset


def contestants(
    tokenizer: PreTrainedTokenizerBase,
    longest: int,
    sizes: Sizes,
    folder: str,
) -> dict[str, Contestant]:
    """Return the contestants by name: `trl` as it is compared, `trl as it is`, and `fork`."""
    arguments = DPOConfig(
        output_dir=folder, beta=0.1, max_length=None, bf16=False, activation_checkpointing=False,
        use_cpu=DEVICE.type == "cpu", precompute_ref_log_probs=True, dataloader_pin_memory=False, report_to="none",
        disable_tqdm=True,
    )  # fmt: skip
    common: dict[str, Any] = {
        "args": arguments,
        "train_dataset": Dataset.from_dict({"prompt_ids": [[0]]}),
        "processing_class": tokenizer,
    }
    models = {name: model_of(sizes) for name in ("trl", "trl as it is", "fork")}
    if DEVICE.type == "cpu":
        models["trl"].forward = MethodType(tuned_forward, models["trl"])
    # Batches are given to each step, so that no trainer reads its data set.
    unread = [TokenizedPair([0], [0], [0], [0], [0])]
    params = load_params(Path(__file__).parents[1] / "params.yaml").training
    params = params.model_copy(update={"layout": "fork", "beta": arguments.beta})
    target_dpo = settings_of("target-dpo", params)
    ours = FocalTrainer(models["fork"], arguments, unread, longest, tokenizer, target_dpo, params)
    theirs = {
        name: Contestant(UnpreparedDPOTrainer(model=models[name], **common), trl_batch)
        for name in ("trl", "trl as it is")
    }
    return theirs | {"fork": Contestant(ours, ours.data_collator)}


def tuned_forward(
    model: PreTrainedModel,
    labels: torch.Tensor,
    fused_lm_head: bool,
    **inputs: Any,
) -> Any:
    """Compute logits only where TRL's mask counts a token, all at once, without metrics: the fastest way on a CPU."""
    assert fused_lm_head
    hidden = model.base_model(**inputs).last_hidden_state[:, :-1]
    # The state at one token predicts the next one: labels are read one place further on.
    following = labels[:, 1:]
    counted = following != -100
    logits = model.get_output_embeddings()(hidden[counted])
    logps = logits.log_softmax(dim=-1).gather(1, following[counted][:, None])[:, 0]
    zeros = logps.new_zeros(counted.shape)
    return FusedCausalLMOutput(
        log_probs=zeros.masked_scatter(counted, logps),
        entropy=zeros,
        mean_logits=zeros,
        is_top1=zeros.bool(),
    )


def counted(pair: TokenizedPair) -> dict[str, list[int]]:
    """Return the weights of each program's tokens in Target-DPO, 0 or 1."""
    return {"chosen": [1] * len(pair.chosen_ids), "rejected": pair.focal}


def trl_batch(pairs: Sequence[TokenizedPair]) -> dict[str, torch.Tensor]:
    """Return the pairs in the layout of TRL's collator, its `completion_mask` limited to the tokens that count."""
    tokens = []
    masks = []
    sums = {}
    # TRL wants all chosen programs first, then all rejected ones.
    for side in ("chosen", "rejected"):
        reference_sums = []
        for pair in pairs:
            program = pair.chosen_ids if side == "chosen" else pair.rejected_ids
            reference = pair.ref_chosen if side == "chosen" else pair.ref_rejected
            weights = counted(pair)[side]
            tokens.append(torch.tensor(pair.prompt_ids + program))
            masks.append(torch.tensor([0] * len(pair.prompt_ids) + weights))
            reference_sums.append(float(np.dot(reference, weights)))
        sums[f"ref_{side}_logps"] = torch.tensor(reference_sums)
    return {
        "input_ids": pad_sequence(tokens, batch_first=True),
        "attention_mask": pad_sequence([torch.ones_like(row) for row in tokens], batch_first=True),
        "completion_mask": pad_sequence(masks, batch_first=True),
        **sums,
    }


def tokenized(
    pairs: Path,
    tokenizer: PreTrainedTokenizerBase,
    params: TrainingParams,
) -> list[TokenizedPair]:
    """Return pairs for a collator, with a made-up reference that is the same in the part that two programs share."""

    def reference(prompt: list[int], program: list[int]) -> list[float]:
        return [-0.5 - (7 * token + 3 * (len(prompt) + place)) % 11 / 8 for place, token in enumerate(program)]

    return [
        replace(
            row,
            ref_chosen=reference(row.prompt_ids, row.chosen_ids),
            ref_rejected=reference(row.prompt_ids, row.rejected_ids),
        )
        for row in tokenize_pairs(read_pairs(pairs), ChatTemplate(tokenizer), params)
    ]


def changed_references(problems: Path) -> list[PreferencePair]:
    """Return pairs of a problem's reference, and the same with the number in its middle raised by one."""
    pairs = []
    for problem in read_jsonl(problems, Problem, unique=True):
        tree = ast.parse(problem.reference or "")
        constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant)]
        numbers = [node for node in constants if type(node.value) is int]
        if not numbers:
            continue
        chosen = ast.unparse(tree) + "\n"
        middle = numbers[len(numbers) // 2]
        assert isinstance(middle.value, int)
        middle.value += 1
        rejected = ast.unparse(tree) + "\n"
        pair = PreferencePair(
            task_id=problem.task_id,
            prompt=problem.prompt,
            chosen=chosen,
            rejected=rejected,
        )
        pairs.append(pair)
    return pairs


def located(pairs: list[PreferencePair], folder: Path) -> Path:
    """Return the file of the pairs with their error regions, made by `iterpref localize`."""
    texts = folder / "pairs.jsonl"
    marked = folder / "focal.jsonl"
    write_jsonl(texts, pairs)
    command = [sys.executable, "-m", "iterpref_core.cli", "localize"]
    command += ["--method", "line_lcs"]
    command += ["--pairs", str(texts)]
    command += ["--out", str(marked)]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return marked


def compare(
    tokenizer: PreTrainedTokenizerBase,
    pairs: list[TokenizedPair],
    rounds: int,
    batch_size: int,
    narrower: int,
) -> dict[str, Any]:
    """Measure steps of all contestants on the same batches; each batch begins with another contestant."""
    sizes = QWEN_0_5B
    if narrower > 1:
        # Two layers, and a vocabulary that keeps the head's share of the work.
        sizes = {
            "hidden_size": 896 // narrower,
            "intermediate_size": 4864 // narrower,
            "num_hidden_layers": 2,
            "num_attention_heads": 7,
            "num_key_value_heads": 1,
            "vocab_size": max(len(tokenizer), QWEN_0_5B["vocab_size"] // (12 * narrower)),
        }
    longest = max(pair.length for pair in pairs)
    Random(23).shuffle(pairs)
    # Of 5 pairs in batches of 2: the pairs 0 and 1, 2 and 3, 4 and 0, and so on.
    endless = cycle(pairs)
    batches = [list(islice(endless, batch_size)) for _ in range(rounds)]
    with tempfile.TemporaryDirectory() as folder:
        entrants = contestants(tokenizer, longest, sizes, folder)
        peaks = {name: peak_bytes(partial(entrant.step, batches[0])) for name, entrant in entrants.items()}
        del entrants["trl as it is"]
        steps = steps_in_turns(entrants, batches)
    # Columns: seconds of a step, seconds of batch and mask, loss.
    theirs = np.array(steps["trl"])
    ours = np.array(steps["fork"])
    low, median, high = np.percentile(theirs[:, 0] / ours[:, 0], [25, 50, 75]).round(3).tolist()
    return {
        "fork_speedup": median,
        "quartiles": [low, high],
        "loss_difference": float(np.abs(theirs[:, 2] - ours[:, 2]).max()),
        "memory_ratio": round(peaks["fork"] / peaks["trl as it is"], 4),
        "mask_share": round(float(np.median(ours[:, 1] / ours[:, 0])), 5),
        "step_s": {"trl": round(float(np.median(theirs[:, 0])), 3), "fork": round(float(np.median(ours[:, 0])), 3)},
        "pairs": len(pairs),
    }


def steps_in_turns(
    entrants: Mapping[str, Contestant], batches: Sequence[list[TokenizedPair]]
) -> dict[str, list[tuple[float, float, float]]]:
    """Return the steps of each contestant on each batch, after some to warm up."""
    # On a GPU the first steps compile the attention for the shapes of their batches.
    warm_up = batches if DEVICE.type == "cuda" else batches[:1]
    for batch in warm_up:
        for entrant in entrants.values():
            entrant.step(batch)
    steps: dict[str, list[tuple[float, float, float]]] = {name: [] for name in entrants}
    for turn, batch in enumerate(batches):
        names = list(entrants)
        if turn % 2 == 0:
            names.reverse()
        for name in names:
            steps[name].append(entrants[name].step(batch))
    return steps


def made_up_lines(random: Random, number: int) -> str:
    """Return `number` lines of a program that adds numbers to variables."""
    text = ""
    for _ in range(number):
        text += f"x{random.randrange(100)} = x{random.randrange(100)} + {random.randrange(100)}\n"
    return text


def made_up_pairs(count: int) -> list[PreferencePair]:
    """Return pairs as long as the example in the repository of the paper's authors; one line of each differs."""
    random = Random(0)
    pairs = []
    for number in range(count):
        prompt = made_up_lines(random, random.randint(50, 100))
        before = made_up_lines(random, random.randint(10, 35))
        after = made_up_lines(random, random.randint(10, 35))
        chosen = before + made_up_lines(random, 1) + after
        rejected = f"{before}wrong = {number}\n{after}"
        pairs.append(PreferencePair(task_id=str(number), prompt=prompt, chosen=chosen, rejected=rejected))
    return pairs


class _MeasuredError(Exception):
    """Ends a training after its last measured step."""


def recipe(params: TrainingParams, steps: int, sizes: Sizes) -> dict[str, Any]:
    """Measure steps of Target-RPO as in the paper on random weights and made-up programs; no hub is asked.

    Returns:
        `tokens_per_s` of both programs with their prompts; `mfu`, 6 FLOPs a weight and a token that the fork computes
        over the data sheet's; `peak_gb`; `hours` of the steps of the paper's 59,000 pairs and three epochs, and
        `reference_hours` of scoring these pairs once; `positions` of a pair.
    """
    pairs = made_up_pairs(params.batch_size * steps)
    tokenizer = train_tokenizer((prompt_text(pair.prompt) for pair in pairs[:200]), vocab_size=512)
    ticks: list[tuple[int, float]] = []
    steps_alone = {
        "epochs": 1,
        "validation_share": 0.0,
        "select": "last",
        "merge": False,
        # Random weights learn fast, which has no part in the speed of a step.
        "max_margin": 0.0,
        "arguments": {"logging_steps": 1} | params.arguments,
    }
    params = params.model_copy(update=steps_alone)

    scoring_s = 0.0

    def timed(*given: Any, **options: Any) -> np.ndarray:
        nonlocal scoring_s
        start = clock()
        logps = reference_logps(*given, **options)
        scoring_s = clock() - start
        return logps

    def note(_: object, step: int) -> None:
        ticks.append((step, clock()))
        if step == steps:
            raise _MeasuredError

    with tempfile.TemporaryDirectory(prefix="iterpref-bench-") as name:
        folder = Path(name)
        model = model_of(sizes, tied=False)
        parameters = model.num_parameters()
        model.save_pretrained(folder / "model")
        tokenizer.save_pretrained(folder / "model")
        del model
        if DEVICE.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        marked = located(pairs, folder)
        # A checkpoint of 7B weights with their optimizer takes 45 GB and a minute, and is not read.
        rows = tokenized(marked, tokenizer, params)
        with suppress(_MeasuredError), patch.object(stage, "reference_logps", timed):
            stage.train_objective(
                pairs=marked,
                model=folder / "model",
                objective="target-rpo",
                params=params,
                out=folder / "trained",
                curve=folder / "curve.csv",
                scratch=folder / "work",
                on_log=note,
                prompt=PromptFormat(template="plain"),
            )
    tokens = mean_lengths(pairs, tokenizer) * params.batch_size
    # From the end of the first step, since that one makes the optimizer's state.
    first, start = ticks[0]
    last, end = ticks[-1]
    step_s = (end - start) / (last - first)
    steps_of_the_paper = 3 * PAIRS_OF_THE_PAPER / params.batch_size
    return speed_of(step_s, tokens, parameters) | {
        "hours": round(steps_of_the_paper * step_s / 3600, 2),
        "reference_hours": round(PAIRS_OF_THE_PAPER * scoring_s / len(pairs) / 3600, 2),
        "positions": round(positions(rows, params.micro_batch_size, on_gpu=DEVICE.type == "cuda")),
        "batch_size": params.batch_size,
    }


def positions(rows: Sequence[TokenizedPair], size: int, *, on_gpu: bool) -> float:
    """Return the positions of a pair in micro-batches of `size` pairs with the layout fork, padding included."""
    collate = Collator(OBJECTIVES["target-rpo"], "fork", 0, row_multiple(on_card=on_gpu), hidden_is_free=on_gpu)
    counted = 0
    for start in range(0, len(rows), size):
        counted += collate(rows[start : start + size])["input_ids"].numel()
    return counted / len(rows)


def mean_lengths(pairs: Sequence[PreferencePair], tokenizer: PreTrainedTokenizerBase) -> np.ndarray:
    """Return the mean numbers of tokens of prompts, chosen and rejected programs."""
    lengths = []
    for pair in pairs:
        encoded = tokenizer([pair.prompt, pair.chosen, pair.rejected])["input_ids"]
        lengths.append([len(ids) for ids in encoded])
    means: np.ndarray = np.array(lengths).mean(axis=0)
    return means


def speed_of(step_s: float, tokens: np.ndarray, parameters: int) -> dict[str, Any]:
    """Return the speed of steps of `step_s` seconds.

    Args:
        step_s: seconds of one step.
        tokens: (3,) tokens of a step's prompts, chosen and rejected programs.
        parameters: weights of the model.
    """
    prompts, chosen, rejected = tokens
    # Each of a pair's two programs is trained on after the prompt.
    trained_on = 2 * prompts + chosen + rejected
    mfu = None
    peak_gb = None
    if DEVICE.type == "cuda":
        peak_gb = round(torch.cuda.max_memory_allocated() / 1e9, 2)
        card = torch.cuda.get_device_name()
        peaks = [flops for name, flops in FLOPS.items() if name in card]
        if peaks:
            needed = 6 * parameters * (prompts + chosen)
            mfu = round(needed / step_s / peaks[0], 4)
    return {
        "tokens_per_s": round(trained_on / step_s, 1),
        "mfu": mfu,
        "peak_gb": peak_gb,
        "step_s": round(step_s, 3),
        "parameters": parameters,
    }


def compare_lists(arguments: argparse.Namespace, params: TrainingParams) -> dict[str, dict[str, Any]]:
    """Return the comparison with TRL on each list of pairs that is there: on MBPP's, and on the experiment's."""
    narrower = arguments.narrower or (1 if DEVICE.type == "cuda" else 4)
    results: dict[str, dict[str, Any]] = {}
    if arguments.problems.is_file():
        pairs = changed_references(arguments.problems)
        tokenizer = train_tokenizer((f"{pair.prompt}\n{pair.chosen}" for pair in pairs), vocab_size=1024)
        with tempfile.TemporaryDirectory() as folder:
            rows = tokenized(located(pairs, Path(folder)), tokenizer, params)
            results["mbpp"] = compare(tokenizer, rows, arguments.rounds, arguments.batch_size, narrower)
    marked = Path("data/focal.jsonl")
    if marked.is_file():
        tokenizer = load_tokenizer(Path("models/student"))
        rows = tokenized(marked, tokenizer, params)
        results["nanolab"] = compare(tokenizer, rows, arguments.rounds, arguments.batch_size, narrower)
    if not results:
        raise SystemExit("error: no pairs; run the experiment here first, or give --problems (docs/problems.md)")
    return results


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure all of it, and record the machine and its load."""
    load = os.getloadavg()[0]
    params = load_params().training
    results = compare_lists(arguments, params)
    summary = summarize(results)
    device = f"CPU, {torch.get_num_threads()} threads"
    if DEVICE.type == "cuda":
        device = torch.cuda.get_device_name()
        # Float32 weights, gradients and 8-bit states of 7B parameters take 76 GB, and fit on an H200.
        settings = {
            "batch_size": 128,
            "micro_batch_size": 2,
            "gradient_checkpointing": True,
            "nll": "sum",
            "load": "auto",
            "arguments": {"optim": "adamw_8bit"},
        }
        summary["recipe"] = recipe(params.model_copy(update=settings), arguments.steps, QWEN_7B)
    return summary | {
        "lists": results,
        "device": device,
        "precision": str(DTYPE).removeprefix("torch."),
        "machine": f"{usable_cores()} cores, {platform.machine()}, {platform.system()}",
        "load_before": round(load, 2),
    }


def summarize(results: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return each list's speed-up, and over all lists the largest of the other measures."""
    summary: dict[str, Any] = {"fork_speedup": {}}
    for name, result in results.items():
        summary["fork_speedup"][name] = result["fork_speedup"]
    for measure in ("loss_difference", "memory_ratio", "mask_share"):
        summary[measure] = max(result[measure] for result in results.values())
    return summary


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--problems", type=Path, default=Path("problems/mbpp.jsonl"), help="with references")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--narrower", type=int, help="divides the model's width; default 1 on a GPU, 4 on a CPU")
    parser.add_argument("--steps", type=int, default=11, help="of the recipe, at least 11")
    arguments = parser.parse_args()
    result = measure(arguments)
    if arguments.json:
        print(json.dumps({"training": result}))
        return
    for name, value in result.items():
        print(f"{name:16} {value}")


if __name__ == "__main__":
    main()
