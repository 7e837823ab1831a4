"""What stands fast before any model is asked: the tests, by their digest."""

import hashlib
import json

from iterpref_core.records import Problem


def digest_tests(problem: Problem) -> str:
    """A digest of what programs are judged by: setup, visible and hidden tests."""
    judges = problem.model_dump(include={"tests", "hidden_tests", "setup"}, exclude_none=True)
    return hashlib.sha256(json.dumps(judges, sort_keys=True).encode()).hexdigest()[:16]
