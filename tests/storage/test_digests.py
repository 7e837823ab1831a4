"""A digest of code changes with the code, and with nothing else."""

import sys

from iterpref_core.records import read_yaml
from iterpref_core.storage.digests import code_digest
from tests.settings import ROOT


def test_any_file_counts_and_what_python_writes_does_not(tmp_path, monkeypatch):
    folder = tmp_path / "digested" / "inner"
    folder.mkdir(parents=True)
    for name in ("__init__.py", "inner/__init__.py", "inner/prompt.txt"):
        (tmp_path / "digested" / name).write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))

    def digest():
        code_digest.cache_clear()
        return code_digest("digested")

    try:
        found = [digest()]
        for left in ("__pycache__", ".ruff_cache"):
            (folder / left).mkdir()
            (folder / left / "x").write_text("x")
        assert digest() == found[0]
        (folder / "prompt.txt").write_text("two")
        found.append(digest())
        (folder / "prompt.txt").rename(folder / "other.txt")
        found.append(digest())
        assert len(set(found)) == 3
    finally:
        code_digest.cache_clear()
        sys.modules.pop("digested", None)


def test_results_outside_of_dvc_depend_on_the_code_that_a_stage_depends_on():
    from iterpref_core.training.trainer.checkpoint import TRAINED_BY

    described = read_yaml(ROOT / "dvc.yaml")["stages"]["training"]
    deps = [
        dep.removesuffix(".py") for dep in described.get("do", described)["deps"] if dep.startswith("iterpref_core/")
    ]
    assert [name.replace(".", "/") for name in TRAINED_BY] == deps
