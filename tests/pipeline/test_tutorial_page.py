"""docs/tutorial.md, executed as it stands: from the package in examples/ to a better model, with its stand-ins."""

import json
import runpy
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from iterpref_core.inference.openai.mock_endpoint import serve
from iterpref_core.records import Problem
from iterpref_core.storage.jsonl import read_jsonl
from tests.flows.conftest import iterpref
from tests.pipeline.page_walk import Block, enter_clone, walk
from tests.settings import ROOT

__all__ = ["iterpref"]

Cli = Callable[..., tuple[int, str, str]]

PAGE = ROOT / "docs/tutorial.md"
SCRIPT = "examples/stand_in_models.py"
VARIABLES = {"PYTHON", "MODEL", "DEBUGGER", "DEBUGGER_URL", "OPENAI_API_KEY"}

pytestmark = [
    pytest.mark.timeout(1200),
    pytest.mark.filterwarnings("ignore:'pin_memory':UserWarning"),  # of a machine without an accelerator
]


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the checkout as it is delivered, the present folder, with what a reader exports."""
    folder = tmp_path / "iterpref"
    folder.mkdir()
    enter_clone(folder, monkeypatch)
    values = {"PYTHON": sys.executable, "MODEL": str(tmp_path / "stand-in"), "DEBUGGER": "stand-in", "DEBUGGER_URL": ""}
    for name, value in (values | {"OPENAI_API_KEY": "none"}).items():
        monkeypatch.setenv(name, value)
    return folder


@pytest.fixture
def run_script(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Cli]:
    """Runs the script of the stand-ins in this process; the debugger is served on a free port while the test lasts."""
    with ExitStack() as served:

        def run(role: str, problems: str, *rest: str) -> tuple[int, str, str]:
            if role == "debugger":
                assert rest == ("&",)
                known = list(read_jsonl(Path(problems), Problem))
                url = served.enter_context(serve(runpy.run_path(SCRIPT)["debugger"](known)))
                monkeypatch.setenv("DEBUGGER_URL", url)
                return 0, url, ""
            monkeypatch.setattr(sys, "argv", [SCRIPT, role, problems, *rest])
            runpy.run_path(SCRIPT, run_name="__main__")
            return 0, *capsys.readouterr()

        yield run


def name_environment(block: Block, printed: list[str]) -> None:
    """Put into params.yaml what `ingest` printed, as the page's YAML does with a reader's paths."""
    assert block.language == "yaml"
    shown = yaml.safe_load("\n".join(block.lines))
    (environment,) = [line.partition(" ")[2] for line in printed if line.startswith("environment")]
    found = yaml.safe_load(environment)
    assert shown.keys() == {"execution"}
    assert {name: set(values) for name, values in shown["execution"]["environments"].items()} == {
        name: set(values) for name, values in found.items()
    }
    params = Path("params.yaml")
    text = params.read_text(encoding="utf-8")
    assert text.count("environments: {}") == 1, "what the page tells to replace"
    params.write_text(text.replace("environments: {}", f"environments: {json.dumps(found)}"), encoding="utf-8")


def test_the_seven_steps_do_what_the_page_says(iterpref: Cli, run_script: Cli, clone: Path) -> None:
    def do(words: list[str]) -> tuple[int, str, str]:
        if words[:2] == ["python", SCRIPT]:
            return run_script(*words[2:])
        assert words[0] == "iterpref"
        return iterpref(*words[1:])

    walk(PAGE, VARIABLES, do, name_environment)
    summary = json.loads((clone / "reports/summary.json").read_text(encoding="utf-8"))
    compared = summary["comparisons"]["target-rpo"]["base"]["heldout"]
    assert compared["p_value"] < 0.05, "the page says that the model is better"
    assert compared["difference"] > 0.3
    assert summary["codeflow"]["pairs"] > 10
    assert (clone / "my-model/model.safetensors").is_file()
