"""What is dear to make and made once for all tests, also where pytest-xdist runs them in several processes."""

import fcntl
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that the first process that needs it makes for all of them, and nobody changes."""
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    folder, done = root / name, root / f"{name}.done"
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a process that failed
            folder.mkdir()
            make(folder)
            done.touch()
    return folder


def give_prefect_tables(factory: pytest.TempPathFactory, home: Path) -> None:
    """Spare a Prefect server with this home the seconds in which it makes its tables."""

    def make(folder: Path) -> None:
        command = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "--yes"]
        environment = os.environ | {"PREFECT_HOME": str(folder), "DO_NOT_TRACK": "1"}
        subprocess.run(command, env=environment, check=True, capture_output=True)

    home.mkdir(parents=True, exist_ok=True)
    shutil.copy2(made_once(factory, "prefect-tables", make) / "prefect.db", home)


def mlflow_tables(factory: pytest.TempPathFactory) -> Path:
    """An MLflow data base without experiments, to be copied."""

    def make(folder: Path) -> None:
        from mlflow.tracking import MlflowClient

        uri = f"sqlite:///{folder / 'mlflow.db'}"
        assert MlflowClient(uri, uri).search_experiments()

    return made_once(factory, "mlflow-tables", make) / "mlflow.db"


def give_mlflow_tables(factory: pytest.TempPathFactory, workspace: Path) -> None:
    """Spare the workspace's records the seconds in which MLflow makes its tables."""
    shutil.copy2(mlflow_tables(factory), workspace)


def copy_workspace(source: Path, target: Path) -> None:
    """Copy a workspace with its records, which name its folder."""
    shutil.copytree(source, target, symlinks=True)
    with closing(sqlite3.connect(target / "mlflow.db")) as data, data:
        for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
            data.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (str(source), str(target)))
