"""Two runs at once, in two checkouts that know nothing of each other, on a machine with two GPUs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.dvc_repository import ToyCheckout

STAGE = """
import os, sys, time
from pathlib import Path
from tasks import cards

notes = Path(os.environ["TOY"] + "/notes")

def note(line):
    with notes.open("a") as file:
        print(line, file=file)

def said(line, **_):
    print(line, flush=True)
    note("waits -")

cards.print = said
with cards.own_cards():
    card = os.environ["CUDA_VISIBLE_DEVICES"]
    note(f"begins {card}")
    while "waits" not in notes.read_text():  # until a third stage has found both cards taken
        time.sleep(0.1)
    note(f"ends {card}")
open(sys.argv[1], "w").close()
"""
STAGES = {name: {"cmd": f"python stage.py {name}", "outs": [name]} for name in ("left", "right")}


@pytest.mark.slow
def test_stages_of_two_checkouts_never_have_the_same_gpu(
    toy_checkout: ToyCheckout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    monkeypatch.setenv("TOY", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    runs = []
    for name in ("one", "two"):
        toy_checkout(STAGES, {"stage.py": STAGE, ".gitignore": ".iterpref/\nmlflow.db*\n"}, name)
        command = [sys.executable, "-m", "flows.cli", "run", "--jobs", "2"]
        runs.append(
            subprocess.Popen(command, cwd=Path.cwd(), env=os.environ, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        )
    told = [run.communicate(timeout=600)[1].decode() for run in runs]
    assert [run.returncode for run in runs] == [0, 0], told
    using: set[str] = set()
    most = 0
    for line in (tmp_path / "notes").read_text(encoding="utf-8").splitlines():
        what, card = line.split()
        if what == "waits":
            continue
        assert (card in using) == (what == "ends"), "one stage at a time has a card"
        using ^= {card}
        most = max(most, len(using))
    assert (most, using) == (2, set()), "both cards were at work, and all four stages have ended"
    assert any("waiting for a GPU: other stages have 3, 5" in text for text in told)
