"""The wheel, alone and with each extra, in environments that have nothing else."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.metadata import Metadata
from packaging.specifiers import SpecifierSet

from tests.packaging.clean_environment import AbsentError, closure, make_environment
from tests.settings import ROOT

USES = Path(__file__).parent / "uses"
ORCHESTRATION = ("prefect", "mlflow", "dvc")
TOOLS = ("pytest", "ruff", "moto", "mypy")

ABSENT = {
    "": ("torch", "transformers", "openai", "evalplus", "ray", "typer", *ORCHESTRATION, *TOOLS),
    "training": ("openai", "evalplus", "ray", *ORCHESTRATION, *TOOLS),
    "endpoints": ("torch", "transformers", "evalplus", "ray", *ORCHESTRATION, *TOOLS),
    "evaluation": ("torch", "trl", "ray", *ORCHESTRATION, *TOOLS),
    "ray": ("torch", "transformers", "openai", "evalplus", *ORCHESTRATION, *TOOLS),
    "pipeline": ("torch", "trl", "openai", "evalplus", "ray", *TOOLS),
    "dev": ("torch", "trl", "openai", "evalplus", "ray", *ORCHESTRATION),
}
"""By extra, modules that it must not bring."""

Make = Callable[[str], Path]


@pytest.fixture(scope="module")
def wheel(distributions: Path) -> Path:
    return next(distributions.glob("*.whl"))


def metadata(wheel: Path) -> Metadata:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return Metadata.from_email(archive.read(name))


@pytest.fixture(scope="module")
def requirements(wheel: Path) -> list[str]:
    """Of the wheel, as pip would read them."""
    return [str(requirement) for requirement in metadata(wheel).requires_dist or ()]


@pytest.fixture(scope="module")
def environment(wheel: Path, requirements: list[str], tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Makes the environment of an extra, none for the core's; returns its interpreter."""
    made: dict[str, Path] = {}

    def make(extra: str) -> Path:
        if extra not in made:
            try:
                names = closure(requirements, extra)
            except AbsentError as absent:
                pytest.skip(str(absent))
            made[extra] = make_environment(tmp_path_factory.mktemp(extra or "core"), wheel, names)
        return made[extra]

    return make


def run(python: Path, *arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run in a clean environment: nothing of the checkout or of the user is on its path."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    variables |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONNOUSERSITE": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [str(python), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, check=False)


CONSOLE = (
    "import sys; from importlib.metadata import entry_points; sys.argv[0] = 'iterpref'; "
    "entry_points(group='console_scripts')['iterpref'].load()()"
)


@pytest.mark.parametrize("extra", [pytest.param(extra, id=extra or "core") for extra in ABSENT])
def test_an_extra_brings_what_belongs_to_it_and_nothing_else(extra: str, environment: Make, tmp_path: Path) -> None:
    python = environment(extra)
    find = "import sys; from importlib.util import find_spec; print([n for n in sys.argv[1:] if find_spec(n)])"
    assert run(python, "-c", find, *ABSENT[extra], cwd=tmp_path).stdout.strip() == "[]"
    done = run(python, USES / f"use_{extra or 'core'}.py", tmp_path / "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]


def test_without_its_extra_the_command_line_says_what_to_install(environment: Make, tmp_path: Path) -> None:
    done = run(environment(""), "-c", CONSOLE, "--help", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: the command line needs the module ")
    assert "pip install 'iterpref[pipeline]'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_command_line_needs_the_pipeline_alone(environment: Make, tmp_path: Path) -> None:
    done = run(environment("pipeline"), "-c", CONSOLE, "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "localize" in done.stdout


def test_a_verb_whose_library_is_missing_names_the_extra_that_has_it(environment: Make, tmp_path: Path) -> None:
    (tmp_path / "pairs.jsonl").write_text('{"task_id":"a","prompt":"p","chosen":"x = 1","rejected":"x = 2"}\n')
    (tmp_path / "spans.jsonl").write_text('{"task_id":"a","method":"line_lcs","rejected":[[0,5]],"chosen":[[0,5]]}\n')
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    verb = ["check", "--pairs", "pairs.jsonl", "--spans", "spans.jsonl", "--model", "absent"]
    done = run(environment("pipeline"), "-c", CONSOLE, *verb, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "this verb needs the module " in done.stderr
    assert "pip install 'iterpref[training]'" in done.stderr


def test_all_is_every_extra_but_the_tools(requirements: list[str]) -> None:
    try:
        together = set[str]().union(*(closure(requirements, extra) for extra in ABSENT if extra != "dev"))
        assert closure(requirements, "all") == together
    except AbsentError as absent:
        pytest.skip(str(absent))


def test_the_interpreter_is_one_that_the_wheel_allows(wheel: Path) -> None:
    allowed = metadata(wheel).requires_python
    assert allowed == SpecifierSet(">=3.11,<3.14")
    assert allowed.contains(".".join(map(str, sys.version_info[:3])))
