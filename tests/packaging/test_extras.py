"""The wheel in an environment that has what it declares and nothing else: the verbs that need no checkout."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.metadata import Metadata
from packaging.specifiers import SpecifierSet

from tests.packaging.clean_environment import AbsentError, closure, make_environment

PAIR = {
    "task_id": "a",
    "prompt": "Add.",
    "chosen": "def f(x):\n    return x + 1\n",
    "rejected": "def f(x):\n    return x\n",
}


@pytest.fixture(scope="module")
def wheel(distributions: Path) -> Path:
    return next(distributions.glob("*.whl"))


def metadata(wheel: Path) -> Metadata:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return Metadata.from_email(archive.read(name))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment without any extra."""
    try:
        names = closure([str(requirement) for requirement in metadata(wheel).requires_dist or ()])
    except AbsentError as absent:
        pytest.skip(str(absent))
    return make_environment(tmp_path_factory.mktemp("core"), wheel, names)


def iterpref(python: Path, *arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The command line in a clean environment: nothing of the checkout or of the user is on its path."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    variables |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONNOUSERSITE": "1", "CUDA_VISIBLE_DEVICES": ""}
    start = "import sys; from importlib.metadata import entry_points as e; sys.argv[0] = 'iterpref'; "
    start += "e(group='console_scripts')['iterpref'].load()()"
    command = [str(python), "-c", start, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, check=False)


def test_the_wheel_is_the_library_alone(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.partition("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"iterpref_core"}
    allowed = metadata(wheel).requires_python
    assert allowed == SpecifierSet(">=3.11,<3.14")
    assert allowed.contains(".".join(map(str, sys.version_info[:3])))


def test_pairs_of_somebody_else_are_localized_without_a_checkout(python: Path, tmp_path: Path) -> None:
    (tmp_path / "pairs.jsonl").write_text(json.dumps(PAIR) + "\n", encoding="utf-8")
    done = iterpref(
        python, "localize", "--pairs", "pairs.jsonl", "--out", "spans.jsonl", "--method", "line_lcs", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    (spans,) = map(json.loads, (tmp_path / "spans.jsonl").read_text(encoding="utf-8").splitlines())
    marked = [PAIR["rejected"][start:end] for start, end in spans["rejected"]]
    assert [text.strip() for text in marked] == ["return x"]
    shown = iterpref(python, "show", "--pairs", "pairs.jsonl", "--spans", "spans.jsonl", cwd=tmp_path)
    assert (shown.returncode, "return x" in shown.stdout) == (0, True), shown.stderr


def test_help_has_the_verbs_that_need_no_checkout(python: Path, tmp_path: Path) -> None:
    done = iterpref(python, "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {"localize", "train", "execute", "check"} <= set(done.stdout.split())
    assert not {"sweep", "doctor"} & set(done.stdout.split())


def test_a_verb_whose_library_is_missing_says_what_to_install(python: Path, tmp_path: Path) -> None:
    (tmp_path / "pairs.jsonl").write_text(json.dumps(PAIR) + "\n", encoding="utf-8")
    (tmp_path / "spans.jsonl").write_text('{"task_id":"a","method":"line_lcs","rejected":[[0,5]],"chosen":[[0,5]]}\n')
    train = ["train", "--pairs", "pairs.jsonl", "--spans", "spans.jsonl", "--objective", "sft", "--model", "m"]
    done = iterpref(python, *train, "--out", "out", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "is not installed; pip install 'iterpref[all]'" in done.stderr
