"""Right programs pass, and wrong ones do not, as in plain Python: one that lies passes inside alone."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from iterpref_core.execution import Executor, Limits, Program
from iterpref_core.records import AssertTest, PytestTest, ScriptTest, UnittestTest
from tests.execution.tiers import tiers
from tests.execution.verdicts.programs import CASES

pytestmark = pytest.mark.named_tier

LIMITS = Limits(cpu_s=5, wall_s=60, memory_mb=512, file_mb=4)
KINDS = {"assert": AssertTest, "unittest": UnittestTest, "pytest": PytestTest}
ASKED = [
    (name, part) for name, case in CASES.items() for part in ("right", "wrong", "lie", "refused") if part in case.parts
]
RIGHT = [name for name, part in ASKED if part == "right"]
OTHERS = [(name, part) for name, part in ASKED if part != "right"]


def records_of(case):
    if case.kind == "script":
        return tuple(ScriptTest(module="solution", files={"t.py": source}, run="t.py") for source in case.tests)
    return tuple(KINDS[case.kind](code=source) for source in case.tests)


@pytest.fixture(scope="module", params=tiers("verdicts"))
def outcomes(request):
    with Executor(LIMITS, workers=2, namespaces=request.param == "A") as executor, ThreadPoolExecutor(2) as threads:

        def run(asked):
            case = CASES[asked[0]]
            return executor.run_one(Program(case.parts[asked[1]], records_of(case), case.parts.get("setup", "")))

        yield dict(zip(ASKED, threads.map(run, ASKED), strict=True))


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_program_passes(outcomes, name):
    outcome = outcomes[name, "right"]
    assert (outcome.verdict, outcome.feedback) == ("passed", "")


@pytest.mark.parametrize(("name", "part"), OTHERS)
def test_a_wrong_program_does_not_pass_but_for_a_lie_inside(outcomes, name, part):
    outcome = outcomes[name, part]
    assert outcome.verdict != "infra_error", outcome.feedback
    believed = part == "lie" and outcome.inside > 0
    assert outcome.verdict != "passed" or believed, outcome
    assert (outcome.verdict == "bad_return_type") or part != "refused", outcome
