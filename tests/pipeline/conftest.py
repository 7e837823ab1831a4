"""Repositories to run in: one tiny experiment in a copy of the working tree, and a toy of two stages."""

import os
import shutil
import subprocess
import sys
import time
from contextlib import chdir, suppress
from pathlib import Path

import psutil
import pytest

from iterpref_core.problems.composition.problem_splits import compose_splits
from iterpref_core.records import PreferencePair, load_params
from iterpref_core.storage.jsonl import write_jsonl
from tasks.profiles import write_params
from tests.once import give_mlflow_tables, give_prefect_tables
from tests.settings import PARAMS, ROOT, moved

PATIENCE_S = 900
"""On two quiet cores the longest command takes two minutes; a machine that others use may need many times as long."""


class Checkout:
    """A repository of its own, with a commit, and its commands."""

    def __init__(self, path):
        self.path = path
        self._started = []
        # Users' Python keeps what it has compiled. Without that, every stage would compile the project's modules.
        out = ("PREFECT", "MLFLOW", "ITERPREF", "DVC", "PYTHONDONTWRITEBYTECODE")
        keep = {k: v for k, v in os.environ.items() if not k.startswith(out)}
        self.environment = keep | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "NO_COLOR": "1",
            "DVC_NO_ANALYTICS": "1",
            **{f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        }

    def start(self, *command):
        """Start a command in a session of its own; its output and errors go to `output.log`."""
        # All append: an `iterpref ui` that still runs would write over the lines of the next command.
        (self.path / "output.log").write_text("")
        with (self.path / "output.log").open("a", encoding="utf-8") as output:
            child = subprocess.Popen(
                command, cwd=self.path, env=self.environment, stdout=output, stderr=output, text=True,
                start_new_session=True,
            )  # fmt: skip
        self._started.append(child)
        return child

    def end(self):
        """End the commands that a failed test has left."""
        for child in self._started:
            child.terminate()
            child.wait(PATIENCE_S)

    def run(self, *command):
        """Run a command to its end, which must be a good one; returns output and errors."""
        child = self.start(*command)
        try:
            child.wait(PATIENCE_S)
        finally:
            child.terminate()
        output = self.output()
        assert child.returncode == 0, output
        return output

    def output(self):
        """What the last command has printed."""
        return (self.path / "output.log").read_text()

    def iterpref(self, *arguments):
        """Run a verb of the command line."""
        return self.run(*ITERPREF, *arguments)

    def leave_out(self, model, row=""):
        """Take a model out of the graph, with its training, its evaluation, and what the report reads; or one row."""
        graph = self.path / "dvc.yaml"
        its_lines = (row or f"{model}:", f"- results/{model}\n")
        lines = graph.read_text().splitlines(keepends=True)
        graph.write_text("".join(line for line in lines if not line.lstrip().startswith(its_lines)))


ITERPREF = (sys.executable, "-m", "iterpref_cli")

SMALLER = {
    "problems.student": 4,
    "problems.debugger": 12,
    "problems.codeflow": 4,
    "problems.validation": 4,
    "problems.heldout": 8,
    "validity.sample": 4,
    "nanolab.student_steps": 1,
    "nanolab.debugger_steps": 1,
    "nanolab.batch_size": 8,
    "codeflow.max_iterations": 1,
}
"""Values in place of those of the profile tiny. The debugger learns nothing: the pairs are `give_pairs`'s."""


def give_pairs(checkout):
    """Give a checkout a pair of each problem that its debugger is trained on: the right program, and one of no result.

    Which pairs the models write depends on the processor; these are there on each.
    """
    pairs = (
        PreferencePair(
            task_id=problem.task_id,
            prompt=problem.prompt,
            chosen=problem.reference,
            rejected=_nothing(problem.reference),
        )
        for problem in compose_splits(load_params(checkout / "params.yaml").problems)
        if problem.split == "debugger"
    )
    write_jsonl(checkout / "pairs/given.jsonl", pairs)


def _nothing(program):
    """Return a program that returns nothing."""
    return program[: program.rindex("return")] + "return None\n"


STAGES = {
    "first": {"cmd": "echo first >> ran; echo 1 > first", "outs": ["first"]},
    "slow": {"cmd": "echo slow >> ran; sh wait.sh && echo 2 > slow", "deps": ["first"], "outs": ["slow"]},
}
WAIT = "while test -e block; do sleep 0.1; done"


class Toy(Checkout):
    """A repository with two stages. The second one waits as long as there is a file `block`."""

    def ran(self):
        """Return the stages that have begun, in order."""
        path = self.path / "ran"
        return path.read_text().split() if path.exists() else []

    def start_run(self):
        """Start `iterpref run`, and return its process once its second stage is at work."""
        before = self.ran().count("slow")
        run = self.start(*ITERPREF, "run")
        self.wait_for(lambda: self.ran().count("slow") > before or run.poll() is not None)
        assert run.poll() is None, self.output()
        return run

    def start_ui(self):
        """Start `iterpref ui`, and return its process once the pages are there."""
        ui = self.start(*ITERPREF, "ui")
        self.wait_for(lambda: "Ctrl-C stops both" in self.output() or ui.poll() is not None)
        return ui

    def wait_for(self, so, pause_s=0.1):
        """Wait until something is so, and look again after each pause."""
        deadline = time.monotonic() + PATIENCE_S
        while not so():
            assert time.monotonic() < deadline, self.output()
            time.sleep(pause_s)


def descendant(run, words):
    """Return the process below a run whose command line has these words."""
    for process in psutil.Process(run.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it has just ended
            if words in " ".join(process.cmdline()):
                return process
    raise AssertionError(f"no process of {words}")


@pytest.fixture
def toy(tmp_path, tmp_path_factory, toy_checkout):
    """A toy that has not run, with the databases that a first run would make."""
    toy = Toy(toy_checkout(STAGES, {"wait.sh": WAIT, "block": "", ".gitignore": "output.log\n"}))
    give_mlflow_tables(tmp_path_factory, toy.path)
    give_prefect_tables(tmp_path_factory, toy.path)
    toy.environment |= {"PREFECT_HOME": str(tmp_path / "prefect-of-the-user")}
    yield toy
    toy.end()


@pytest.fixture(scope="session")
def checkout(tmp_path_factory):
    """Tracked and new files, without what git ignores, as a fresh repository with a smaller profile tiny.

    Its graph trains one objective, and evaluates that model and its base. The others differ by a name, and have their
    own tests in training.
    """
    target = tmp_path_factory.mktemp("pipeline") / "checkout"
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file() and name != "dvc.lock":
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    checkout = Checkout(target)
    checkout.run("git", "init", "--quiet")
    (target / ".git/info/exclude").write_text("output.log\n")
    with chdir(target):
        seeds = {f"{name}.seed": moved(section.seed) for name, section in PARAMS if hasattr(section, "seed")}
        write_params("tiny", SMALLER | seeds)
    give_pairs(target)
    for objective in ("debugger", "sft", "dpo", "rpo", "target-dpo"):
        checkout.leave_out(objective)
    checkout.run("git", "add", ".")
    checkout.run("git", "commit", "--quiet", "--message", "tiny")
    return checkout
