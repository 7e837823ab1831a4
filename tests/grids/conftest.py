"""An experiment's artifacts, small enough to train on in a moment."""

import shutil
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerBase

from iterpref_core.config import Params, load_params, with_values
from iterpref_core.localization.localization import localize_pairs
from iterpref_core.nanolab.byte_bpe import train_tokenizer
from iterpref_core.problems.problems import synthesize
from iterpref_core.records import Attempt, Problem, Trajectory
from iterpref_core.storage.jsonl import write_jsonl
from tasks.common.paths import DEBUGGER, FOCAL, PAIRS, PROBLEMS, STUDENT, TRAJECTORIES
from tests.settings import ROOT

SMALL = {
    **{f"problems.{split}": 4 for split in ("student", "debugger", "validation", "heldout")},
    "problems.codeflow": 8,
    "problems.two_step_share": 0.0,
    "training.epochs": 1,
    "training.batch_size": 4,
    "training.micro_batch_size": 4,
    "evaluation.max_new_tokens": 4,
    "evaluation.bootstrap": 50,
}


def _attempts(problem: Problem) -> Trajectory:
    """Two wrong versions and the reference."""
    assert problem.reference is not None
    wrong = [problem.reference.replace("return", f"x = {n}\n    return", 1) + "\n# end" for n in (1, 2)]
    attempts = tuple(
        Attempt(
            iteration=number, code=code, verdict="passed" if number == 2 else "wrong_answer", feedback="",
            prompt_tokens=1, completion_tokens=1,
        )
        for number, code in enumerate([*wrong, problem.reference])
    )  # fmt: skip
    return Trajectory(task_id=problem.task_id, solved=True, attempts=attempts)


@pytest.fixture(scope="session")
def params() -> Params:
    return with_values(load_params(ROOT / "params.yaml"), SMALL)


@pytest.fixture(scope="session")
def artifacts(
    params: Params,
    tmp_path_factory: pytest.TempPathFactory,
    make_model: Callable[[PreTrainedTokenizerBase], Path],
) -> Path:
    """What stages up to `focal` write, to be copied."""
    from iterpref_core.pairs.pairs import select_pairs

    folder = tmp_path_factory.mktemp("artifacts")
    with chdir(folder):
        every = list(synthesize(params.problems))
        write_jsonl(PROBLEMS, every)
        model = make_model(train_tokenizer([p.prompt + (p.reference or "") for p in every], 400))
        STUDENT.parent.mkdir()
        for role in (STUDENT, DEBUGGER):
            role.symlink_to(model)
        write_jsonl(TRAJECTORIES, (_attempts(p) for p in every if p.split == "codeflow"))
        select_pairs(TRAJECTORIES, PROBLEMS, STUDENT, params.pairs, PAIRS)
        localize_pairs(PAIRS, params.localization, FOCAL)
    return folder


@pytest.fixture
def experiment(artifacts: Path, workspace: Path) -> Path:
    """A workspace after stage `localization`, which is the working directory."""
    shutil.copytree(artifacts, workspace, symlinks=True, dirs_exist_ok=True)
    return workspace
