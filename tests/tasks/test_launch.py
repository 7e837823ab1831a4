"""The launcher of several training processes, with a program in the place of `accelerate launch`."""

import sys
from pathlib import Path

import pytest

from iterpref_core.config import Params, load_params
from iterpref_core.errors import InputError, IterPrefError, TrainingError
from tasks.launch import launch_training
from tests.settings import ROOT

REASON = "error: pairs.jsonl: no such file"


@pytest.fixture
def params(tmp_path: Path) -> Params:
    """Parameters that name a configuration of accelerate."""
    configuration = tmp_path / "accelerate.yaml"
    configuration.touch()
    every = load_params(ROOT / "params.yaml")
    training = every.training.model_copy(update={"accelerate": str(configuration)})
    return every.model_copy(update={"training": training})


def run_instead(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a program in the place of the launcher. The path of the note is its only argument."""
    monkeypatch.setattr("tasks.launch._command", lambda _, note, *__: [sys.executable, "-c", program, str(note)])


@pytest.mark.parametrize(("codes", "kind"), [([2, 1], InputError), ([1, 2], TrainingError), ([], TrainingError)])
def test_the_first_reason_is_told_and_bad_input_stays_bad_input(
    codes: list[int], kind: type[IterPrefError], params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The launcher itself ends with 1, whatever its processes end with; a process that is killed notes nothing."""
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from iterpref_core.cli import launched\n"
        f"for code in {codes}:\n"
        "    launched.run_library = lambda: sys.exit(code)\n"
        "    try:\n"
        "        launched.main(Path(sys.argv[1]))\n"
        "    except SystemExit:\n"
        "        pass\n"
        f"print('{REASON}', 'error: the other process was ended', sep='\\n', file=sys.stderr)\n"
        "sys.exit(1)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    run_instead(program, monkeypatch)
    with pytest.raises(IterPrefError, match=f"^{REASON.removeprefix('error: ')}$") as caught:
        launch_training({}, params, tmp_path / "curve.csv")
    assert type(caught.value) is kind


def test_the_result_is_read_behind_what_libraries_print_and_the_curve_is_told(
    params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    curve = tmp_path / "curve.csv"
    rows = "step,loss,validation/loss\n1,0.5,\n2,0.25,0.75\n"
    program = f"open({str(curve)!r}, 'w').write({rows!r}); print({{'loss': 0.5}}); print('{{\\n \"steps\": 2\\n}}')"
    run_instead(program, monkeypatch)
    told: list[tuple[dict[str, float], int]] = []
    result = launch_training({}, params, curve, lambda numbers, step: told.append((numbers, step)))
    assert result == {"steps": 2}
    assert told == [({"loss": 0.5}, 1), ({"loss": 0.25, "validation/loss": 0.75}, 2)]
