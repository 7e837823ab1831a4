"""What is dear to make and made once for all tests, also where they run in several copies of the process."""

import fcntl
import functools
import os
import shutil
import subprocess
import sys

from tasks.paths import STATE


def made_once(factory, name, make):
    """A folder that the first process that needs it makes for all of them, and nobody changes."""
    root = factory.getbasetemp()
    if root.name.startswith("copy-"):
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


def give_mlflow_tables(factory, workspace):
    """Spare the workspace's records the seconds in which MLflow makes its tables."""

    def make(folder):
        from mlflow.tracking import MlflowClient

        uri = f"sqlite:///{folder / 'mlflow.db'}"
        assert MlflowClient(uri, uri).search_experiments()

    shutil.copy2(made_once(factory, "mlflow-tables", make) / "mlflow.db", workspace)


def give_prefect_tables(factory, workspace):
    """Spare a Prefect server of the workspace the seconds in which it makes its tables."""
    target = workspace / STATE / "prefect"
    target.mkdir(parents=True)
    shutil.copy2(prefect_tables(factory), target)


def prefect_tables(factory):
    """Return the database of a Prefect server on which nothing has run."""

    def make(folder):
        command = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "--yes"]
        environment = os.environ | {"PREFECT_HOME": str(folder)}
        subprocess.run(command, env=environment, check=True, capture_output=True)

    return made_once(factory, "prefect-tables", make) / "prefect.db"


def read_gguf_once(patched):
    """Spare transformers to read a file three times, and to make its table of names for each of a model's modules."""
    import gguf

    for name in ("GGUFReader", "get_tensor_name_map"):
        patched.setattr(gguf, name, functools.cache(getattr(gguf, name)))
