"""The verb `synthesize`, against a served model on this machine."""

import json
import re
from pathlib import Path

from iterpref_core.problems.synthesis.feature_tree import load_tree
from iterpref_core.records import Problem
from iterpref_core.storage.jsonl import read_jsonl
from tests.mock_endpoint import Behavior, MockEndpoint, serve

FEATURES = '{"algorithm": {"arithmetic": {"doubling": {}}}, "data structures": {"list": {}, "queue": {}}}'
TEST = """import unittest
import solution

class TestAdd(unittest.TestCase):
    def test_one(self):
        self.assertEqual(solution.add(1), {})
"""


def _answer(prompt, seed):
    if "Invent a programming problem" not in prompt:
        return FEATURES
    offered = re.findall(r"^\d+\. (.*)$", prompt, re.MULTILINE)
    words = " ".join(f"{seed}-{place}" for place in range(9))
    return json.dumps(
        {
            "features": list(range(1, len(offered) + 1)),
            "instruction": f"Write `add(x)`: x plus {seed}. {words}",
            "solution": f"def add(x):\n    return x + {seed}\n",
            "test": TEST.format(1 + seed),
        }
    )


def test_problems_are_synthesized_from_seed_code_and_again_from_the_tree(iterpref):
    Path("seeds").mkdir()
    Path("seeds/a.py").write_text("def f(x):\n    return x * 2\n")
    server = MockEndpoint(_answer, Behavior())
    with serve(server) as url:
        values = {"model.debugger": "m", "inference.backend": "openai", "inference.base_url": url}
        common = ["--out", "new.jsonl", "--tree", "tree.json", "--json"]
        common += [word for key, value in values.items() for word in ("--set", f"{key}={value}")]
        code, out, err = iterpref("synthesize", "--seed-code", "seeds", "--count", 2, *common)
        assert code == 0, err
        counts = json.loads(out)
        assert (counts["seeds/used"], counts["features/extracted"], counts["problems/kept"]) == (1, 4, 2)
        assert counts["calls"] == server.asked.total() == 1 + 2 * 64 + 2
        code, out, err = iterpref("synthesize", "--count", 3, *common)
        assert (code, json.loads(out)["problems/kept"]) == (0, 3), err
        assert server.asked.total() == 1 + 2 * 64 + 3, "what was answered is not asked for again"
    assert load_tree(Path("tree.json")).rounds == 2
    problems = list(read_jsonl(Path("new.jsonl"), Problem, unique=True))
    assert [problem.task_id for problem in problems] == ["new/0", "new/1", "new/2"]
