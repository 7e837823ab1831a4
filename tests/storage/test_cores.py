"""Cores: those of the affinity, or fewer where a container has a quota."""

import os

import pytest

from iterpref_core.storage.cores import usable_cores


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("200000 100000\n", 2), ("150000 100000\n", 2), ("50000 100000\n", 1), ("max 100000\n", 8), (None, 8)],
)
def test_a_container_s_quota_counts(quota, cores, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr("iterpref_core.storage.cores._QUOTA", tmp_path / "cpu.max")
    if quota is not None:
        (tmp_path / "cpu.max").write_text(quota, encoding="ascii")
    assert usable_cores() == cores
