"""The stage `problems` of a clone whose data were not fetched."""

import shutil
from pathlib import Path

import pytest

from iterpref_core.records import InputError, load_params
from tasks.stages import problems
from tests.settings import ROOT


def test_problems_that_dvc_tracks_and_nobody_has_fetched_are_not_left_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy2(ROOT / "params.yaml", ".")
    Path("problems").mkdir()
    Path("problems/mine.jsonl.dvc").write_text("outs: []\n")
    with pytest.raises(
        InputError, match=r"problems/mine\.jsonl: is not here; run `dvc pull problems/mine\.jsonl\.dvc`"
    ):
        problems.STAGE.run(load_params())
    assert not Path("data").exists()
