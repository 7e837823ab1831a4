"""The verb `synthesize`, against a served model on this machine."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from iterpref_core.problems.synthesis.feature_tree import load_tree
from iterpref_core.records import Problem
from iterpref_core.storage.jsonl import read_jsonl
from tests.mock_endpoint import Behavior, MockEndpoint, serve
from tests.settings import ROOT

Run = Callable[..., tuple[int, str, str]]
PARAMS = ROOT / "params.yaml"
FEATURES = '{"algorithm": {"arithmetic": {"doubling": {}}}, "data structures": {"list": {}, "queue": {}}}'


def _answer(prompt: str, seed: int) -> str:
    if "Invent a programming problem" not in prompt:
        return FEATURES
    offered = re.findall(r"^\d+\. (.*)$", prompt, re.MULTILINE)
    test = f"""import unittest
import adding

class TestAdd(unittest.TestCase):
    def test_one(self):
        self.assertEqual(adding.add(1), {1 + seed})
"""
    words = " ".join(f"{seed}-{place}" for place in range(9))
    return json.dumps(
        {
            "features": list(range(1, len(offered) + 1)),
            "instruction": f"Write `add(x)`: x plus {seed}. {words}",
            "files": {"adding.py": f"def add(x):\n    return x + {seed}\n"},
            "test": test,
        }
    )


def test_problems_are_synthesized_from_seed_code_and_again_from_the_tree(
    iterpref: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "seeds").mkdir()
    (tmp_path / "seeds" / "a.py").write_text("def f(x):\n    return x * 2\n")
    out, tree = tmp_path / "new.jsonl", tmp_path / "tree.json"
    server = MockEndpoint(_answer, Behavior())
    with serve(server) as url:
        common = [
            "--out",
            out,
            "--tree",
            tree,
            "--backend",
            "openai",
            "--base-url",
            url,
            "--model",
            "m",
            "--params",
            PARAMS,
            "--json",
        ]
        code, stdout, stderr = iterpref("synthesize", "--seed-code", tmp_path / "seeds", "--count", 2, *common)
        assert code == 0, stderr
        counts = json.loads(stdout)
        assert (counts["seeds/used"], counts["features/extracted"], counts["problems/kept"]) == (1, 4, 2)
        assert counts["calls"] == server.asked.total() == 1 + 2 * 64 + 2
        assert counts["tokens"] > 0
        code, stdout, stderr = iterpref("synthesize", "--count", 3, *common)
        assert code == 0, stderr
        assert json.loads(stdout)["problems/kept"] == 3
        assert server.asked.total() == 1 + 2 * 64 + 3, "what was answered is not asked for again"
    assert load_tree(tree).rounds == 2
    problems = list(read_jsonl(out, Problem, unique=True))
    assert [problem.task_id for problem in problems] == ["new/0", "new/1", "new/2"]


def test_synthesis_needs_seed_code_or_a_tree(iterpref: Run, tmp_path: Path) -> None:
    code, _, stderr = iterpref("synthesize", "--out", tmp_path / "x.jsonl", "--count", 1)
    assert code == 2
    assert "--seed-code" in stderr
    assert list(tmp_path.iterdir()) == []
