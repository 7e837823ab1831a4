"""`iterpref estimate`: the tables of docs/scaling.md, and prices of one's own."""

import json
from collections.abc import Callable

import pytest

from tests.settings import ROOT

Verb = Callable[..., tuple[int, str, str]]


def test_the_tables_of_the_document_are_those_of_the_command(iterpref: Verb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    code, out, _ = iterpref("estimate")
    assert code == 0
    document = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    for table in out.strip().split("\n\n"):
        assert table in document, "run `iterpref estimate` and replace the tables of docs/scaling.md"


def test_prices_and_sizes_may_be_ones_own(iterpref: Verb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    plain, dear = (
        json.loads(iterpref("estimate", "--json", "--pairs", "500", "--gpu-hour", price, "--mfu", mfu)[1])
        for price, mfu in (("1", "0.4"), ("3", "0.2"))
    )
    assert [row["pairs"] for row in plain["generation"]] == [500]
    assert dear["assumptions"]["gpu_hour"] == 3
    for cheap, costly in zip(plain["models"], dear["models"], strict=True):
        assert costly["training_hours"] == pytest.approx(2 * cheap["training_hours"])
        assert costly["dollars"] > 3 * cheap["dollars"]
