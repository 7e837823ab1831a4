"""Bad input to every verb: one message, an exit code, nothing half-written, inputs unharmed; 2,000 cases are tried.

Verbs run in this process, on records that are mutated, files that are no such files, and paths that name the same. What
takes seconds on good input is cut off where it begins.
"""

import contextlib
import gzip
import hashlib
import io
import json
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from random import Random
from types import ModuleType, SimpleNamespace
from typing import Annotated, Any, NoReturn, get_args, get_origin, get_type_hints

import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows import cli
from flows.cli.path_options import Seen
from iterpref_core.errors import InputError
from iterpref_core.evaluation.heldout import digest
from iterpref_core.execution import Limits, Outcome, Program
from iterpref_core.execution.steps import steps_of
from iterpref_core.inference.answer_store import AnswerStore
from iterpref_core.records import (
    AssertTest,
    FocalSpans,
    IoTest,
    PreferencePair,
    Problem,
    Sample,
    ScriptTest,
    UnittestTest,
)
from iterpref_core.screening.benchmark_tasks import VARIABLES
from tests.settings import ROOT

CASES = 2000
Verb = Callable[..., Any]


def verbs(app: typer.Typer, *group: str) -> Iterator[tuple[tuple[str, ...], Verb]]:
    """The words of every verb, and its function."""
    for command in app.registered_commands:
        assert command.callback
        yield (*group, str(command.callback.__name__).replace("_", "-")), command.callback
    for sub in app.registered_groups:
        assert sub.typer_instance
        yield from verbs(sub.typer_instance, *group, str(sub.name))


VERBS = list(verbs(cli.app))


def options(verb: Verb) -> list[tuple[str, Any, Any]]:
    """Name, type and typer's description of every option of a verb."""
    hints = get_type_hints(verb, include_extras=True).items()
    return [(name, *get_args(hint)[:2]) for name, hint in hints if get_origin(hint) is Annotated]


def is_path(kind: Any) -> bool:
    return kind is Path or any(is_path(inner) for inner in get_args(kind))


@pytest.mark.parametrize(("words", "verb"), VERBS, ids=[" ".join(words) for words, _ in VERBS])
def test_every_path_goes_through_the_door(words: tuple[str, ...], verb: Verb) -> None:
    for name, kind, info in options(verb):
        if is_path(kind) or (name in {"model", "source", "against"} and words not in {("answers",), ("debug",)}):
            assert getattr(info.callback, "__module__", "") == Seen.__module__, name


@pytest.mark.parametrize(
    "record", [IoTest, AssertTest, UnittestTest, ScriptTest, Problem, Sample, PreferencePair, FocalSpans]
)
def test_what_a_message_shows_is_such_a_record(record: Any) -> None:
    record.model_validate_json(record.example)


class WorkBeginsError(InputError):
    """All that is checked beforehand has been."""


def _begin(*_: object, **__: object) -> NoReturn:
    raise WorkBeginsError("work begins")


class _Work(ModuleType):
    """A module whose functions do work."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return () if name.isupper() else _begin


WORK = (
    "flows.cli.interfaces", "flows.cli.run_experiment", "flows.cli.run_rounds", "flows.cli.run_sweep",
    "flows.cli.training_costs",
    "iterpref_core.training.export_model", "iterpref_core.training.shifts", "tasks.benchmarks.bench_backends",
    "tasks.benchmarks.bench_evaluation", "tasks.benchmarks.bench_execution", "tasks.benchmarks.bench_generation",
    "tasks.benchmarks.bench_localization", "tasks.benchmarks.bench_pipeline", "tasks.benchmarks.bench_recipe",
    "tasks.benchmarks.bench_scale", "tasks.benchmarks.bench_training", "tasks.orchestration.configuration_check",
    "tasks.orchestration.doctor",
    "tasks.recording.tracking",
)  # fmt: skip


class Engine:
    """Finds that every program passes, once its tests can be read."""

    limits, isolation = Limits(1, 1, 64, 64, 1), "none"

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def run(self, programs: Iterable[Program]) -> Iterator[Outcome]:
        for program in programs:
            steps_of(program)
            for index in range(len(program.tests)):
                if program.judge:
                    program.judge(index, 1)
            yield Outcome("passed", "", len(program.tests), len(program.tests), "none", 0.0, 0.0)


def _encode(text: str, **_: object) -> dict[str, list[str]]:
    return {"input_ids": text.split()}


@contextmanager
def _judge(name: str | None, *_: object) -> Iterator[Any]:
    yield None if name is None else SimpleNamespace(generate=_begin, answer=_begin)


@pytest.fixture
def without_work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No program runs and no model is asked; the present folder is a workspace of its own."""
    import iterpref_core.training.problem_estimate  # noqa: F401 - would keep what is put in the place of others' work
    import tasks.orchestration.new_configuration  # noqa: F401 - the same
    from iterpref_core.input_files import read_yaml
    from iterpref_core.training.dataset import join_spans

    known = {path: read_yaml(path) for path in (ROOT / "params.yaml", ROOT / "ablations.yaml")}
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    for name in ("params.yaml", "ablations.yaml", "dvc.yaml"):
        shutil.copy2(ROOT / name, workspace)
    shutil.copytree(ROOT / "profiles", workspace / "profiles")
    monkeypatch.chdir(workspace)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    # Parsing YAML takes 20 ms; what nobody has changed is read once.
    text = (ROOT / "params.yaml").read_bytes()
    parsed = known[ROOT / "params.yaml"]
    monkeypatch.setattr(
        "iterpref_core.config.read_yaml",
        lambda path, absent: parsed if path.is_file() and path.read_bytes() == text else read_yaml(path, absent),
    )
    monkeypatch.setattr("tasks.grids.ablations.read_yaml", lambda *_: known[ROOT / "ablations.yaml"])
    monkeypatch.setattr("typer.main.get_command", cache(typer.main.get_command))  # else made anew for every call
    for variable in VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)
    for name in WORK:
        monkeypatch.setitem(sys.modules, name, _Work(name))
    monkeypatch.setitem(sys.modules, "iterpref_core.training.training", ModuleType("training"))
    for place in ("iterpref_core.execution", "iterpref_core.problems.ingest", "iterpref_core.evaluation.heldout"):
        monkeypatch.setattr(f"{place}.open_executor", Engine)
    monkeypatch.setattr("iterpref_core.problems.formats.evalplus_format.Executor", Engine)
    monkeypatch.setattr("iterpref_core.inference.backend_factory.open_judge", _judge)
    monkeypatch.setattr("iterpref_core.inference.backend_factory.open_model", _begin)
    monkeypatch.setattr(
        "iterpref_core.inference.local.checkpoint_checks.check_checkpoint", lambda model, *_, **__: model
    )
    # After it, whose module takes the function when it is imported, and would keep the stand-in.
    monkeypatch.setattr("iterpref_core.inference.local.tokenizers.load_tokenizer", lambda *_, **__: _encode)
    monkeypatch.setattr(
        "iterpref_core.codeflow.roles.choose_models", lambda *_: SimpleNamespace(identity={}, open=_begin)
    )
    monkeypatch.setattr("iterpref_core.evaluation.evaluation.evaluate_model", _begin)
    monkeypatch.setattr("iterpref_core.training.method_costs.scale", _begin)
    monkeypatch.setattr("tasks.grids.ablations.run_grid", _begin)
    monkeypatch.setattr("tasks.grids.tuning.tune", _begin)
    for name in ("choose", "hold_out"):
        monkeypatch.setattr(f"tasks.grids.study.Study.{name}", _begin)
    monkeypatch.setattr("iterpref_core.problems.own_code.own_code.ingest_own_code", _begin)

    def read_only(pairs: Path, spans: Path, *_: object, **__: object) -> NoReturn:
        for _ in join_spans(pairs, spans):
            pass
        _begin()

    monkeypatch.setattr(sys.modules["iterpref_core.training.training"], "train_objective", read_only, raising=False)
    monkeypatch.setattr("iterpref_core.training.checks.check_pairs", lambda joined, *_: (list(joined), _begin()))
    return workspace


TEST = {"kind": "io", "call": "f(1)", "expected": "2"}
PROBLEM = {
    "task_id": "own/1", "prompt": "Add one.", "entry_point": "f", "reference": "def f(x):\n    return x + 1\n",
    "tests": [TEST, {"kind": "assert", "code": "assert f(2) == 3"}],
    "hidden_tests": [{"kind": "unittest", "code": "import unittest\nclass T(unittest.TestCase): pass"},
                     {"kind": "script", "module": "m", "files": {"t.py": "import m"}, "run": "t.py"}],
    "setup": "import math", "source": "own", "features": ["algorithm > sorting"], "split": "codeflow",
}  # fmt: skip
ATTEMPT = {"iteration": 0, "code": "def f(x): return x", "verdict": "wrong_answer", "feedback": "f(1) returned 1",
           "prompt_tokens": 3, "completion_tokens": 4}  # fmt: skip
PASSED = ATTEMPT | {
    "iteration": 1,
    "code": "def f(x): return x + 1",
    "verdict": "passed",
    "feedback": "",
    "hidden": "passed",
}
PAIR = {
    "task_id": "own/1",
    "prompt": "Add one.",
    "chosen": "def f(x):\n    return x + 1\n",
    "rejected": "def f(x):\n    return x\n",
}
SPANS = {"task_id": "own/1", "method": "line_lcs", "rejected": [[10, 22]], "chosen": [[10, 26]]}
MEASURED = {
    "available": True, "n": 1, "pass_at_1": 1.0, "ci95": [0.2, 1.0], "errors": {}, "verdicts": {"own/1": ["passed"]},
    "data": {"name": "d", "sha256": "0" * 64}, "harness": "h", "limits": {}, "isolation": "none",
}  # fmt: skip
HUMANEVAL = {"task_id": "Own/0", "prompt": "def f(x):\n", "entry_point": "f", "canonical_solution": "    return x\n",
             "test": "def check(candidate):\n    assert candidate(1) == 1\n"}  # fmt: skip
MBPP = {"text": "Add.", "code": "def f(x): return x", "task_id": 601, "test_setup_code": "",
        "test_list": ["assert f(1) == 1"], "challenge_test_list": []}  # fmt: skip
FORMS: dict[str, Any] = {
    "jsonl": PROBLEM, "humaneval": HUMANEVAL, "mbpp": MBPP,
    "evalplus": {**HUMANEVAL, "contract": "\n    assert x\n", "base_input": [[1]], "plus_input": [[2]], "atol": 0},
    "codeflow": PAIR, "trl": PAIR | {"spans_method": "token", "rejected_spans": [[0, 3]], "chosen_spans": [[0, 2]]},
    "ultrafeedback": {"instruction": "Add one.", "completions": [
        {"response": PAIR["chosen"], "overall_score": 9}, {"response": PAIR["rejected"], "overall_score": 1.5}]},
    "alpacaeval": {"instruction": "Add one.", "preference": 1,
                   "output_1": PAIR["chosen"], "output_2": PAIR["rejected"]},
}  # fmt: skip
SCORES = {"accuracy": 5, "effectiveness": 4, "reasonableness": 3, "reason": "good"}
MARKS = "task_id,prompt,tests,reference,accuracy,effectiveness,reasonableness,note\nown/1,p,t,r,5,4,3,\n"
RECORDS: dict[str, Any] = {
    "problems": PROBLEM, "pairs": PAIR, "spans": SPANS, "truth": SPANS, "against": PROBLEM,
    "seed_code": {"code": "x = 1"},
    "trajectories": {"task_id": "own/1", "solved": True, "attempts": [ATTEMPT, PASSED]},
    "samples": {"task_id": "own/1", "solution": "def f(x):\n    return x + 1\n"},
    "scores": {"task_id": "own/1", "judge": SCORES},
    "chosen": {"regime": "scratch", "pairs": 9, "rounds": 0, "start": 0.3, "tried": [], "chosen": {}},
    "baseline": {"model": "m", "benchmarks": {"heldout": MEASURED}},
    "tree": {"seeds": 1, "rounds": 0,
             "categories": {"algorithm": {"frequency": 1, "children": {"sorting": {"frequency": 1}}}}},
    "summary": {"codeflow": {}, "models": {}, "comparisons": {},
                "provenance": {"params": {"model": {"student": "nanolab"}}}},
}  # fmt: skip
HELD_OUT = PROBLEM | {"split": "heldout"}
OF_HELD_OUT = MEASURED | {"data": {"name": "heldout", "sha256": digest([Problem.model_validate(HELD_OUT)])},
                          "limits": vars(Limits())}  # fmt: skip
RESULTS: dict[str, dict[str, Any]] = {
    "rescore": {"model": "m", "benchmarks": {"heldout": OF_HELD_OUT}},
    "export": {"model": "m", "benchmarks": {"humaneval": MEASURED, "heldout": {"available": False, "reason": "none"}}},
}
RECORDS |= dict.fromkeys(("debugging", "sampling"), RECORDS["trajectories"]) | {"candidate": RECORDS["baseline"]}
CHOICES = {
    "format_": [*FORMS, "csv"], "method": ["line_lcs", "token", "prefix_suffix", "causal", "line"],
    "split": ["codeflow", "nope"],
    "benchmark": ["heldout", "validation", "apps"], "objective": ["dpo", "sft", "dop"],
    "backend": ["openai", "replay", "x"],
    "profile": ["tiny", "nope", "../params", "."],
    "name": ["tiny", "beta", "alpha", "../params", "nope"], "regime": ["scratch", "x"],
    "stages": ["pairs", "trane"], "source": ["debugging", "sampling", "x"],
    "precision": ["bf16", "x"], "shape": ["tiny", "x"],
    "task_id": ["own/1", "x"], "outcome": ["pair", "unsolved", "x"], "python": ["/absent/python"],
}  # fmt: skip
NUMBERS = ["-1", "0", "1", "2", "0.5", "1e400", "nan", "99999999999999999999", "x", ""]
WRITTEN = {"out", "verdicts", "timings", "kept", "html", "report", "figures", "choose_only"}
YAML = [
    "",
    "null",
    "{}",
    "[]",
    "-1",
    "0",
    "x",
    "[",
    "*a",
    "\t",
    ".nan",
    "1e400",
    "9" * 5000,
    "{a: 1, a: 2}",
    "2001-99-99",
    '"',
]
VALUES = [
    None, True, -1, 0, 1e308, float("nan"), float("inf"), 10**400, "", "hello", "\ud800", "\0", "é\u2028",
    [], {}, [[]], [None],
    "-" * 3000 + "1", "(" * 300 + ")" * 300, "x" * 3000, {"kind": "io"}, {"kind": "no"},
    [[3, 1]], [[0, 99999]], "def f(:",
]  # fmt: skip


def _places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all parts of a JSON value."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*at, key)
        yield from _places(inner, (*at, key))


def _mutate(record: Any, random: Random) -> Any:
    """The record with one part of it left out, called otherwise, replaced, or put in twice."""
    record = json.loads(json.dumps(record))
    *path, last = random.choice(list(_places(record)))
    holder = record
    for key in path:
        holder = holder[key]
    change = random.randrange(4)
    if isinstance(holder, list) or change == 0:
        holder[last] = random.choice(VALUES)
    elif change == 1:
        del holder[last]
    elif change == 2:
        holder[last[:-2] + last[-1]] = holder.pop(last)
    else:
        holder["extra"] = random.choice(VALUES)
    return record


def _content(record: Any, random: Random, *, lines: bool) -> bytes:
    """A file of such records, whole or broken in some way."""
    good = json.dumps(record)
    every = (
        [good] if not lines else [good, json.dumps({**record, "task_id": "own/2"} if "task_id" in record else record)]
    )
    if random.random() < 0.5:
        every[random.randrange(len(every))] = json.dumps(_mutate(record, random))
    text = "\n".join(every) + "\n"
    broken = [
        "", "\n \n", text[: random.randrange(len(text))], text + good, "[" * 100_000, '{"a":' * 100_000,
        f"[{text}]", "null\n",
        "{}\n", '"x"\n', f"[{good}, {good}", text.replace('"', "'"), '{"schema_version": 9}\n',
        good[:-1] + ', "schema_version": 1}\n', f'{{"x": {"[" * 5000}', f"[\n {good},\n {good[:-1]}, }}\n]",
    ]  # fmt: skip
    if random.random() < 0.1:
        text = random.choice(broken)
    encoding = random.choice(["utf-8"] * 36 + ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
    raw = text.encode(encoding)
    return (
        raw
        if random.random() < 0.95
        else random.choice([b"\xff\xfe\xfa", b"\x00" * 99, b"\x1f\x8b\x08", raw + b"\xe9\n"])
    )


def _parquet(record: Any, random: Random) -> bytes:
    """A Parquet file of such records, whole or broken in some way; plain JSON of what has no types."""
    from pyarrow import ArrowException, BufferOutputStream, Table
    from pyarrow.parquet import write_table

    rows, file = [record, _mutate(record, random)], BufferOutputStream()
    try:
        write_table(Table.from_pylist(rows[: random.randrange(3)]), file)
    except (ArrowException, OverflowError, UnicodeError):
        return json.dumps(rows).encode()
    raw: bytes = file.getvalue().to_pybytes()
    return raw if random.random() < 0.8 else raw[: random.randrange(4, len(raw))]


class Case:
    """One call: a folder with inputs, and a command line."""

    def __init__(self, folder: Path, words: tuple[str, ...], verb: Verb, seed: int) -> None:
        self.folder, self.random, self.words, self.outputs = folder, Random(seed), [*words], list[Path]()
        self.form = self.random.choice([*FORMS] * 4 + ["csv"])
        for name, kind, info in options(verb):
            required = name not in _defaults(verb)
            if not required and self.random.random() < (0.4 if is_path(kind) else 0.85):
                continue
            if (value := self._value(words[-1], name, kind)) is None:
                continue
            called = max(
                (decl for decl in info.param_decls or () if decl.startswith("--")),
                key=len,
                default=f"--{name.strip('_')}",
            )
            called = called.replace("_", "-").split("/")[0]
            if isinstance(info, typer.models.ArgumentInfo):
                self.words.append(value)
            elif kind is bool:
                self.words.append(called)
            else:
                self.words += [called, value]

    def writes(self, path: Path) -> bool:
        """Whether a file is an output, or in a folder that is one."""
        return not {path, *path.parents}.isdisjoint(self.outputs)

    def _value(self, verb: str, name: str, kind: Any) -> str | None:
        random = self.random
        if name == "format_":
            return self.form
        if is_path(kind) or (name == "source" and verb == "ingest") or name in {"against", "model"}:
            return self._path(verb, name)
        if name in CHOICES and (name != "name" or verb != "export"):
            return random.choice([*CHOICES[name]] + [CHOICES[name][0]] * 5 + [""])
        if kind is bool:
            return ""
        if {int, float} & {kind, *get_args(kind), *(one for arg in get_args(kind) for one in get_args(arg))}:
            return random.choice([*NUMBERS, *["1", "2", "3"] * 5])
        return random.choice(["", "x", "nope/none", "http://127.0.0.1:9/v1", "\udcff", "é"])

    def _path(self, verb: str, name: str) -> str | None:
        random, folder = self.random, self.folder
        written = name in WRITTEN or (name, verb) in {
            ("spans", "inject"),
            ("spans", "ingest"),
            ("scores", "quality"),
            ("tree", "synthesize"),
        }
        if name == "params" and random.random() < 0.6:
            return None
        if random.random() < 0.06:
            strange = [
                "",
                ".",
                str(folder),
                str(folder / "absent"),
                "/dev/null",
                "n" * 300,
                f"{folder}/f/x",
                str(folder / ("n" * 230)),
            ]
            (folder / "f").write_text("{}\n")
            value = random.choice([*strange, *self.words[-1:], os.path.relpath(folder / "link")])
            if written and value and not os.path.lexists(value):
                self.outputs.append(folder / Path(value).name)
            return value
        if written:
            path = folder / random.choice(["o1", "o2", "o3", "new/o4", "o5.svg"])
            if name == "tree" and random.random() < 0.7:
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(_content(RECORDS["tree"], random, lines=False))
            else:
                self.outputs.append(path)
            return str(path)
        path = folder / f"{name}-{len(list(folder.iterdir()))}"
        if name in {"model", "trained", "tests"}:
            path.mkdir()
            (path / "config.json").write_text("{}")
            return str(path)
        if name in {"results", "folder"}:
            self._fill_results(path, verb)
            return str(path)
        self._fill(path, name)
        if random.random() < 0.1:
            link = folder / "link"
            with contextlib.suppress(FileExistsError):
                link.symlink_to(path)
            return str(link)
        return str(path)

    def _fill(self, path: Path, name: str) -> None:
        random = self.random
        if name == "params":
            lines = (ROOT / "params.yaml").read_text("utf-8").splitlines()
            place = random.randrange(len(lines))
            before, colon, _ = lines[place].partition(":")
            lines[place] = f"{before}{colon} {random.choice(YAML)}"
            path.write_text("\n".join(lines) + "\n", "utf-8")
        elif name == "marks":
            path.write_text(
                MARKS.replace(
                    random.choice(["5", "task_id", ",", "own/1", "\n", "~"]), random.choice(["", "7", '"', "é"])
                )
            )
        elif name == "store":
            if random.random() < 0.5:
                AnswerStore(path, run="").close()
            else:
                path.write_bytes(b"SQLite format 3\0" + bytes(random.randrange(200)))
        else:
            record = FORMS.get(self.form, PROBLEM) if name == "source" else RECORDS[name]
            raw = _content(record, random, lines=name not in {"baseline", "candidate", "tree", "summary"})
            if name == "source" and random.random() < 0.2:
                raw = _parquet(record, random)
            path.write_bytes(gzip.compress(raw) if random.random() < 0.05 else raw)

    def _fill_results(self, path: Path, verb: str) -> None:
        """Folders of two models' results; or one, or a bundle, in which one file or none is broken."""
        path.mkdir()
        if verb == "explore":
            for model in ("base", "dpo"):
                (path / model).mkdir()
                for file, like in (("results.json", "baseline"), ("samples.jsonl", "samples")):
                    content = _content(RECORDS[like], self.random, lines=like == "samples")
                    (path / model / file).write_bytes(content)
            return
        records = {"results.json": RESULTS[verb], "samples.jsonl": RECORDS["samples"], "problems.jsonl": HELD_OUT}
        good = {name: (json.dumps(record) + "\n").encode() for name, record in records.items()}
        window = {"release": "release_v5", "since": None, "until": "2025-01-01"}
        hashes = {name: hashlib.sha256(raw).hexdigest() for name, raw in good.items()}
        records["bundle.json"] = {"format": 1, "files": hashes, "livecodebench": window, "versions": {}}
        good["bundle.json"] = json.dumps(records["bundle.json"]).encode()
        broken = self.random.choice([*records, None, None])
        for name, raw in good.items():
            lines = name.endswith("l")
            (path / name).write_bytes(raw if name != broken else _content(records[name], self.random, lines=lines))
        if broken in hashes and self.random.random() < 0.8:
            hashes[broken] = hashlib.sha256((path / broken).read_bytes()).hexdigest()
            (path / "bundle.json").write_text(json.dumps(records["bundle.json"]))


def _defaults(verb: Verb) -> set[str]:
    code, values = verb.__code__, verb.__defaults__ or ()
    return set(code.co_varnames[code.co_argcount - len(values) : code.co_argcount])


def _files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def call(words: list[str]) -> tuple[int, str, str]:
    """Run a command line; returns exit code, what it said on stderr, and the traceback of what nobody had foreseen."""
    out, err, found = io.StringIO(), io.StringIO(), ""
    before, sys.argv = sys.argv, ["iterpref", *words]
    code = 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            cli.main()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:  # noqa: BLE001 - this is what the test looks for
        found = traceback.format_exc()
    finally:
        sys.argv = before
    return code, err.getvalue(), found


def _said(*words: object) -> str:
    code, said, trace = call([str(word) for word in words])
    assert (code, trace) == (2, ""), f"{said}{trace}"
    return said


def test_paths_that_would_do_harm_are_refused_before_any_work(without_work: Path, tmp_path: Path) -> None:
    pairs, link, hard = (tmp_path / name for name in ("pairs.jsonl", "link", "hard"))
    pairs.write_text(json.dumps(PAIR) + "\n", "utf-8")
    link.symlink_to(pairs)
    hard.hardlink_to(pairs)
    before = pairs.read_bytes()
    for same in (pairs, link, hard, tmp_path / "workspace" / ".." / "pairs.jsonl"):
        assert "--pairs and --out name the same" in _said("localize", "--pairs", pairs, "--out", same)
    clean = ("decontaminate", "--pairs", pairs, "--against", pairs)
    assert "--out and --report name the same" in _said(*clean, "--out", "x", "--report", "./x")
    assert "one of --out and --report is inside the other" in _said(*clean, "--out", "x", "--report", "x/y")
    assert "is a folder (--report)" in _said(*clean, "--out", "x", "--report", tmp_path)
    assert "--out: is empty or the present folder" in _said("localize", "--pairs", pairs, "--out", "")
    assert "is no folder (--out)" in _said("localize", "--pairs", pairs, "--out", pairs / "x")
    assert "no plain file (--out)" in _said("localize", "--pairs", pairs, "--out", "/dev/null")
    assert "is a folder (--pairs); a file is needed" in _said("localize", "--pairs", tmp_path, "--out", "x")
    (tmp_path / "empty").write_text(" \n\n")
    assert "is empty (--pairs)" in _said("localize", "--pairs", tmp_path / "empty", "--out", "x")
    assert pairs.read_bytes() == before
    assert not (without_work / "x").exists()


def test_what_passed_without_a_word_is_refused(without_work: Path, tmp_path: Path) -> None:
    problems, params = tmp_path / "problems.jsonl", without_work / "params.yaml"
    problems.write_text(json.dumps(PROBLEM | {"tests": [TEST | {"expected": "hello"}]}) + "\n", "utf-8")
    for verb in (("ingest", problems, "--format", "jsonl"), ("debug", "--problems", problems)):
        assert "field 'expected' of test 'f(1)': not a Python literal: 'hello'" in _said(*verb, "--out", "x")
    assert "--heldout goes with" in _said("ingest", problems, "--format", "jsonl", "--heldout", "0.5", "--out", "x")
    assert "available: codeflow" in _said("diversity", "--problems", problems, "--split", "nope")
    assert "available: authors-code" in _said("profile", "../params")
    params.write_text(params.read_text("utf-8") + "\nbudget: {calls: null, tokens: null, dollars: null}\n", "utf-8")
    assert "'budget' stands on line" in _said("localize", "--pairs", problems, "--out", "x")
    for verb in (("quality", "--problems", problems), ("inject", "--problems", problems, "--out", "x", "--spans", "y")):
        assert "--seed" in _said(*verb, "--seed", "-1")


@pytest.mark.timeout(600)
def test_no_bad_input_ends_in_a_traceback_or_does_harm(without_work: Path, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    seen: set[tuple[str, int]] = set()

    @settings(
        max_examples=int(os.environ.get("BAD_INPUT_CASES", CASES)),
        derandomize=not os.environ.get("BAD_INPUT_RANDOM"),
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(0, len(VERBS) - 1), st.integers(0, 2**62))
    def try_one(number: int, seed: int) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        case = Case(folder, *VERBS[number], seed)
        before = _files(folder)
        kept = (without_work / "params.yaml").read_bytes()
        code, said, trace = call(case.words)
        (without_work / "params.yaml").write_bytes(kept)
        seen.add((" ".join(VERBS[number][0]), code))
        shown = [word[:200] for word in case.words]
        assert not trace, f"{shown}\n{trace[-3000:]}"
        assert code in (0, 1, 2), f"{shown}: {code}"
        assert code != 2 or said.count("error: ") == 1 or "Usage:" in said, f"{shown}\n{said}"
        after = _files(folder)
        harmed = [path for path, raw in before.items() if after.get(path) != raw and not case.writes(path)]
        new = set(after) - set(before)
        if VERBS[number][0] == ("profile",):
            harmed = [path for path in harmed if path.name[:6] != "params"]
        if VERBS[number][0] == ("explore",) and "--every" in case.words:
            new = {path for path in new if code or not path.stem[-1:].isdigit() or "-" not in path.stem}
        assert not harmed, f"{shown}\n{said}"
        failed = code == 2 or (code == 1 and VERBS[number][0] != ("rescore",))  # which has found other verdicts then
        assert not {path for path in new if failed or not case.writes(path)}, f"{shown}\n{said}\n{new}"

    started = time.process_time()
    try_one()
    print(f"{CASES} cases, {time.process_time() - started:.0f} s of CPU", sorted(seen))
    assert {words for words, _ in seen} == {" ".join(words) for words, _ in VERBS}
