"""A folder to record in."""

from pathlib import Path

import pytest

from tests.once import give_mlflow_tables


@pytest.fixture
def workspace(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The present folder, with a data base of MLflow's in which nothing is recorded."""
    monkeypatch.chdir(tmp_path)
    for variable in ("MLFLOW_TRACKING_URI", "DVC_ROOT"):  # mlflow sets the former for its own children
        monkeypatch.delenv(variable, raising=False)
    give_mlflow_tables(tmp_path_factory, tmp_path)
    return tmp_path
