"""Problem writing: what a model is asked about drawn features, and what becomes of its answer."""

from collections.abc import Sequence

from iterpref_core.inference.backend import Request
from iterpref_core.inference.prompt_templates import fill
from iterpref_core.problems.synthesis.answer_parsing import TEST_FILE, Draft
from iterpref_core.problems.synthesis.feature_extraction import PROMPTS
from iterpref_core.problems.synthesis.feature_tree import SEPARATOR, FeaturePath
from iterpref_core.records import Problem, ScriptTest


def ask_for_problem(features: Sequence[FeaturePath], seed: int) -> Request:
    """The request for a problem that uses some of these features."""
    offered = "\n".join(f"{number}. {SEPARATOR.join(path)}" for number, path in enumerate(features, 1))
    return Request(fill(PROMPTS / "problem.txt", {"features": offered}), seed)


def used_features(draft: Draft, offered: Sequence[FeaturePath]) -> tuple[str, ...]:
    """Those of the offered features that a draft says it uses; numbers that were not offered are passed over."""
    return tuple(SEPARATOR.join(offered[number - 1]) for number in draft.used if 1 <= number <= len(offered))


def to_problem(draft: Draft, features: tuple[str, ...], task_id: str) -> Problem:
    """The problem of a draft.

    What a model is to write is one file, the first. Other files of the solution are given: the prompt shows them and
    the test brings them along, so that a program which was written for this problem cannot replace them.
    """
    main, *others = draft.files
    module = main.removesuffix(".py")
    given = {name: draft.files[name] for name in others}
    test = ScriptTest(module=module, files={**given, TEST_FILE: draft.test}, run=TEST_FILE, packages=draft.packages)
    return Problem(
        task_id=task_id,
        prompt=_task(draft.instruction, main, given),
        entry_point=module,
        tests=(test,),
        reference=draft.files[main],
        source="synthesized",
        features=features,
    )


def _task(instruction: str, main: str, given: dict[str, str]) -> str:
    task = fill(PROMPTS / "task.txt", {"instruction": instruction, "file": main})
    files = [fill(PROMPTS / "given_file.txt", {"file": name, "code": code}) for name, code in given.items()]
    return "\n\n".join([task, *files])
