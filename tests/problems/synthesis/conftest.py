"""A model that follows a script, and the answers it gives."""

import json

import pytest

from iterpref_core.models.inference.backend import Completion
from iterpref_core.records import SynthesisParams
from tests.fake_models import FakeModel
from tests.settings import section


class ScriptedModel(FakeModel):
    """Answers what `answer` says to a prompt, and remembers the prompts. The run is killed after `patience` batches."""

    def __init__(self, answer, patience=None):
        self.say, self.patience = answer, patience
        self.prompts = []

    def complete(self, requests, sampling):
        assert sampling.max_new_tokens == 100
        if self.patience == 0:
            raise KeyboardInterrupt
        self.patience = None if self.patience is None else self.patience - 1
        self.prompts += [request.prompt for request in requests]
        return [Completion(self.say(request.prompt), 1, 1) for request in requests]


def write_answer(program, instruction="Write `double(x)`.", used=(1, 2), **more):
    """An answer in the form that is asked for."""
    return json.dumps({"features": used, "instruction": instruction} | program | more)


SOLUTION = "def double(x):\n    return x * 2\n"
TEST = """import unittest

from solution import double


class TestDouble(unittest.TestCase):
    def test_numbers(self):
        self.assertEqual(double(3), 6)
        self.assertEqual(double(-1), -2)


if __name__ == "__main__":
    unittest.main()
"""
PROGRAM = {"solution": SOLUTION, "test": TEST}


@pytest.fixture
def params():
    return section(SynthesisParams, subtrees=3, max_new_tokens=100)
