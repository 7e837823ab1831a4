"""`iterpref bench scale`: seconds and memory of the stages' bodies as records grow, and the slope of both.

Measured is what runs without a large model: ingestion of problems, pairs, localization, training up to its first logged
steps (of a model of next to no size), scoring of samples, and the report. Records are made up, about as long as
BigCodeBench's. Each body runs in a process of its own, on what the one before it wrote.
"""

import json
import math
import multiprocessing
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from pathlib import Path
from random import Random

from iterpref_core.config import Params
from iterpref_core.records import Attempt, IoTest, Problem, Sample, Trajectory
from iterpref_core.storage.jsonl import write_jsonl
from tasks.common.stage_body import cpu_s, peak_mb

SIZES = (1_000, 10_000)
_LINES = 30
"""Of a made-up program: about 560 tokens of the tokenizer that is made for them, with the prompt 1,240 a pair."""
_VOCABULARY = 512
_MODEL = "base"
_CLOCK_S = 0.01
"""What the system's account of CPU time can tell apart: less is given as this, so that there is a slope."""

Figures = dict[str, float]


class _FirstStepsError(Exception):
    """Ends training where its preparation does."""


def bench_scale(params: Params, sizes: Sequence[int] = SIZES, leave_out: Collection[str] = ()) -> Figures:
    """Run every body on so many records, from few to many; what came of each is said on stderr as it ends.

    Args:
        params: of the experiment.
        sizes: at least two, ascending.
        leave_out: stages that are not run. None but `training`, which no other stage needs.

    Returns:
        For each stage and size `<stage>/<records>/s` (on the wall), `/cpu_s` (with the programs that were run),
        `/peak_mb` (resident, mapped files included) and `/own_mb` (without these: what the process itself held); and
        for each stage, between the smallest and the largest size, `<stage>/slope_cpu` (of the logarithms: 1 is linear),
        `/ms_per_record` of CPU and `/kb_per_record` of its own memory.
    """
    result: Figures = {}
    names = [name for name in BODIES if name not in leave_out]
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="iterpref-scale-") as folder:
            _write_inputs(Path(folder), size)
            for name in names:
                found = {
                    figure: round(value, 2) for figure, value in _in_own_process(name, Path(folder), params).items()
                }
                print(f"{name}, {size} records: {found['cpu_s']} s of CPU, {found['own_mb']} MiB", file=sys.stderr)
                result |= {f"{name}/{size}/{figure}": value for figure, value in found.items()}
    for name in names:
        result |= _slopes(name, result, sizes[0], sizes[-1])
    return result


def _slopes(name: str, result: Figures, few: int, many: int) -> Figures:
    first, last = (
        {figure: result[f"{name}/{size}/{figure}"] for figure in ("cpu_s", "own_mb")} for size in (few, many)
    )
    more = many - few
    return {
        f"{name}/slope_cpu": round(math.log(last["cpu_s"] / first["cpu_s"]) / math.log(many / few), 2),
        f"{name}/ms_per_record": round(1000 * (last["cpu_s"] - first["cpu_s"]) / more, 3),
        f"{name}/kb_per_record": round(1024 * (last["own_mb"] - first["own_mb"]) / more, 2),
    }


def _in_own_process(name: str, folder: Path, params: Params) -> Figures:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as alone:
        return alone.submit(_measure, name, folder, params).result()


def _measure(name: str, folder: Path, params: Params) -> Figures:
    body, imported = BODIES[name]
    import_module(imported)  # takes seconds where torch is in it, and is no part of the body
    with _OwnMemory() as memory:
        started, before = time.monotonic(), cpu_s()
        body(folder, params)
        ended, after = time.monotonic(), cpu_s()
    return {"s": ended - started, "cpu_s": max(after - before, _CLOCK_S), "peak_mb": peak_mb(), "own_mb": memory.peak}


class _OwnMemory(threading.Thread):
    """Samples what this process holds itself, MiB: pages of mapped files are the system's to take back."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0.0
        self._ended = threading.Event()

    def __enter__(self) -> "_OwnMemory":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join()

    def run(self) -> None:
        """Sample until the block ends, and once more."""
        while True:
            found = re.search(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
            assert found, "Linux states what every process holds"
            self.peak = max(self.peak, int(found[1]) / 1024)
            if self._ended.wait(0.02):
                return


def _ingest(folder: Path, params: Params) -> None:
    from iterpref_core.problems.ingest import IngestOptions, ingest

    ingest(folder / "source.jsonl", "jsonl", folder / "problems.jsonl", params.execution, IngestOptions())


def _pairs(folder: Path, params: Params) -> None:
    from iterpref_core.pairs.pairs import select_pairs

    settings = params.pairs.model_copy(update={"benchmarks": ("heldout",)})
    found = select_pairs(
        folder / "trajectories.jsonl", folder / "problems.jsonl", folder / "model", settings, folder / "pairs.jsonl",
        folder / "contamination.json",
    )  # fmt: skip
    _write_metrics(folder, "pairs", found)


def _localization(folder: Path, params: Params) -> None:
    from iterpref_core.localization.localization import localize_pairs

    settings = params.localization.model_copy(update={"method": "line_lcs"})
    found = localize_pairs(folder / "pairs.jsonl", settings, folder / "focal.jsonl")
    _write_metrics(folder, "localization", found)


def _training(folder: Path, params: Params) -> None:
    import torch

    from iterpref_core.training.training import train_objective

    torch.set_num_threads(1)  # for so small a model more would wait for each other

    def stop(_metrics: dict[str, float], _step: int) -> None:
        raise _FirstStepsError

    settings = params.training.model_copy(update={"batch_size": 4, "micro_batch_size": 4, "bf16": False, "epochs": 30})
    try:
        train_objective(
            folder / "pairs.jsonl", folder / "focal.jsonl", folder / "model", "target-dpo", settings,
            folder / "trained", folder / "curve.csv", folder / "work", on_log=stop,
        )  # fmt: skip
    except _FirstStepsError:
        return
    raise AssertionError("training ends before it logs anything")


def _evaluation(folder: Path, params: Params) -> None:
    from iterpref_core.evaluation.evaluation import score_samples

    score_samples(
        folder / "samples.jsonl", "heldout", folder / "problems.jsonl", params.evaluation.livecodebench,
        params.execution, out=folder / "results" / _MODEL, cache=folder / "cache",
    )  # fmt: skip


def _report(folder: Path, params: Params) -> None:
    from iterpref_core.report.report import build_report

    counts = {"problems": 1, "llm_calls": 1, "prompt_tokens": 1, "completion_tokens": 1, "pass_rate/0": 0.5}
    _write_metrics(folder, "codeflow", counts)
    _write_metrics(folder, "validity", {"problems": 1})
    build_report(
        folder / "results", folder / "metrics", folder / "pairs.jsonl", folder / "focal.jsonl", params,
        folder / "dvc.lock", folder / "reports", folder / "contamination.json", folder / "problems.jsonl",
    )  # fmt: skip


BODIES: dict[str, tuple[Callable[[Path, Params], None], str]] = {
    "ingest": (_ingest, "iterpref_core.problems.ingest"),
    "pairs": (_pairs, "iterpref_core.inference.local.tokenizers"),
    "localization": (_localization, "iterpref_core.localization.localization"),
    "training": (_training, "iterpref_core.training.training"),
    "evaluation": (_evaluation, "iterpref_core.evaluation.evaluation"),
    "report": (_report, "iterpref_core.report.report"),
}
"""By name, in the order in which they need each other; and what is imported before a body's time is taken."""


def _write_metrics(folder: Path, stage: str, values: dict[str, float]) -> None:
    (folder / "metrics").mkdir(exist_ok=True)
    (folder / "metrics" / f"{stage}.json").write_text(json.dumps(values), encoding="utf-8")


def _write_inputs(folder: Path, count: int) -> None:
    """What the bodies start from. One problem in ten is held out, and half of the samples of these are right."""
    write_jsonl(folder / "source.jsonl", map(_problem, range(count)))
    write_jsonl(folder / "trajectories.jsonl", map(_trajectory, range(count)))
    heldout = (number for number in range(count) if _split(number) == "heldout")
    write_jsonl(
        folder / "samples.jsonl",
        (Sample(task_id=f"made/{number}", solution=_program(number, wrong=number % 20 == 0)) for number in heldout),
    )
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as alone:
        alone.submit(_write_model, folder).result()


def _write_model(folder: Path) -> None:
    """A model of next to no size, whose tokenizer knows the made-up programs."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    from iterpref_core.nanolab.byte_bpe import train_tokenizer

    tokenizer = train_tokenizer([f"{_prompt(number)}\n{_program(number)}" for number in range(50)], _VOCABULARY)
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(tokenizer), hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1,
        num_key_value_heads=1, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    Qwen2ForCausalLM(config).save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")


def _split(number: int) -> str:
    return "heldout" if number % 10 == 0 else "codeflow"


def _problem(number: int) -> Problem:
    answer = _answer(number)
    tests = (IoTest(call=f"solve_{number}({list(_XS)})", expected=repr(answer)),)
    return Problem(
        task_id=f"made/{number}", prompt=_prompt(number), entry_point=f"solve_{number}", tests=tests,
        reference=_program(number), source="made", split=_split(number),
    )  # fmt: skip


def _trajectory(number: int) -> Trajectory:
    codes = ((_program(number, wrong=True), "wrong_answer"), (_program(number), "passed"))
    attempts = tuple(
        Attempt.model_validate(
            {"iteration": place, "code": code, "verdict": verdict, "feedback": "", "prompt_tokens": 300}
            | {"completion_tokens": 600}
        )
        for place, (code, verdict) in enumerate(codes)
    )
    return Trajectory(task_id=f"made/{number}", solved=True, attempts=attempts)


_XS = (3, 1, 4, 1, 5)
_WORDS = ("rows", "prices", "readings", "scores", "lengths", "weights", "orders", "hours", "levels", "counts")


def _prompt(number: int) -> str:
    random = Random(number)
    asked = ". ".join(f"Then take the {random.choice(_WORDS)} modulo {random.randrange(7, 99)}" for _ in range(9))
    return f"Write solve_{number}(xs), which folds the {random.choice(_WORDS)} of problem {number}. {asked}."


def _steps(number: int) -> Iterator[tuple[int, int, int]]:
    random = Random(f"steps {number}")
    return ((random.randrange(2, 9), random.randrange(100), random.randrange(101, 999)) for _ in range(_LINES // 3))


def _program(number: int, *, wrong: bool = False) -> str:
    """Different for every number; the wrong one differs in a line in the middle."""
    random = Random(f"names {number}")
    lines = [f"def solve_{number}(xs):", "    total = 0"]
    for place, (factor, term, modulus) in enumerate(_steps(number)):
        name = f"{random.choice(_WORDS)}_{place}"
        sign = "-" if wrong and place == _LINES // 6 else "+"
        lines += [
            f"    {name} = [{factor} * x {sign} {term} for x in xs if x >= 0]",
            f"    total = (total * {factor} + sum({name})) % {modulus}",
            f"    xs = xs[{place % 2}:] + {name}[:{place % 2}]",
        ]
    return "\n".join([*lines, "    return total"]) + "\n"


def _answer(number: int) -> int:
    xs, total = list(_XS), 0
    for place, (factor, term, modulus) in enumerate(_steps(number)):
        values = [factor * x + term for x in xs if x >= 0]
        total = (total * factor + sum(values)) % modulus
        xs = xs[place % 2 :] + values[: place % 2]
    return total
