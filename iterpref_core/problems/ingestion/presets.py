"""Presets: the published sets that can be read, each a few lines of data: where in its rows everything stands.

`docs/problems.md` shows this table, and `--columns` overrides a line of it.
"""

from dataclasses import dataclass

from iterpref_core.problems.ingestion import preparations
from iterpref_core.problems.ingestion.columns import ANSWERS, PROBLEMS, SUBMISSIONS
from iterpref_core.problems.ingestion.preparations import Prepare
from iterpref_core.records.errors import InputError, unknown_name


@dataclass(frozen=True)
class Preset:
    """A published layout of rows.

    Attributes:
        title: the sets that have it, for the table.
        columns: where each part stands, in the words of `--columns`.
        license: SPDX of the license on the set's card, for a file without its card; a row or a card may state another.
        card: the set's repository on the hub.
        notes: what is special, for the table; *not seen*, where the columns are those of code that reads the set.
        prefix: the beginning of the problems' names; empty: names are taken as they are.
        asks: True: the prompt says what to write, a script or a function of a name. False: the statement says it.
        ignore_case: True: the set's own rule ignores case in what a script prints.
        prepare: code of the set's own.
        parts: the parts of its rows: those of problems, of pairs of answers, or of single programs.
    """

    title: str
    columns: str | None
    license: str = ""
    card: str = ""
    notes: str = ""
    prefix: str = ""
    asks: bool = True
    ignore_case: bool = False
    prepare: Prepare | None = None
    parts: tuple[str, ...] = PROBLEMS

    @property
    def makes_pairs(self) -> bool:
        """Return True for a set of pairs of answers."""
        return self.parts == ANSWERS


_CONTESTS = "prompt=description,time_limit=time_limit"

ANY_SET = "problems"
"""The preset of sets that have none: columns stand where the user says."""
OWN_RECORDS = "jsonl"
"""The preset of this project's own records."""
WITH_VERDICTS = "submissions"
"""The preset of single programs."""

PRESETS: dict[str, Preset] = {
    "acecode": Preset(
        "AceCode-87K",
        "prompt=question,task_id=id,tests=test_cases,reference=right,wrong=wrong",
        license="MIT",
        card="TIGER-Lab/AceCode-87K",
        notes="assertions; answers of models, by the share of tests that they passed",
        prefix="acecode/",
        prepare=preparations.prepare_acecode,
    ),
    "apps": Preset(
        "APPS, APPS-verified",
        "prompt=question,task_id=problem_id|id,tests=input_output,reference=solutions,starter_code=starter_code",
        license="MIT",
        card="codeparrot/apps",
        notes="scripts and functions",
        prefix="apps/",
    ),
    "code_contests": Preset(
        "CodeContests",
        f"{_CONTESTS},task_id=name,tests=public_tests,hidden_tests=private_tests+generated_tests,"
        "reference=solutions,wrong=incorrect_solutions",
        license="CC-BY-4.0",
        card="deepmind/code_contests",
        notes="public tests visible, the others hidden; problems that read files are left out (`not_stdin`)",
        prefix="code_contests/",
        ignore_case=True,
        prepare=preparations.prepare_code_contests,
    ),
    "code_contests_o": Preset(
        "CodeContests-O",
        f"{_CONTESTS},task_id=id|name,tests=corner_cases.input.stdin+corner_cases.output.stdout,"
        "reference=correct_submissions|solutions,wrong=incorrect_submissions|incorrect_solutions",
        license="CC-BY-4.0",
        card="caijanfeng/CodeContests-O",
        notes="corner cases (not seen)",
        prefix="code_contests_o/",
        prepare=preparations.prepare_code_contests,
    ),
    "code_contests_plus": Preset(
        "CodeContests+",
        f"{_CONTESTS},task_id=id,tests=test_cases,reference=correct_submissions,wrong=incorrect_submissions",
        license="CC-BY-4.0",
        card="ByteDance-Seed/Code-Contests-Plus",
        notes="its checkers are C++, and are not read (not seen)",
        prefix="code_contests_plus/",
        prepare=preparations.prepare_code_contests,
    ),
    "codeforces": Preset(
        "Codeforces, codeforces-cots",
        "prompt=statement,task_id=id,tests=examples,hidden_tests=official_tests,reference=generation:answer,"
        "time_limit=time_limit,checker=checker",
        license="CC-BY-4.0",
        card="open-r1/codeforces",
        notes="examples visible, official tests hidden; checkers; interactive problems are left out (`not_stdin`)",
        prefix="codeforces/",
        prepare=preparations.prepare_codeforces,
    ),
    "coderm": Preset(
        "CodeRM-UnitTest",
        "prompt=question,task_id=task_id,tests=unit_tests.code|unit_tests.unit_test,reference=code_ground_truth",
        license="Apache-2.0",
        card="KAKA22/CodeRM-UnitTest",
        notes="`unittest` classes",
        prefix="coderm/",
    ),
    "humaneval": Preset(
        "HumanEval, HumanEvalPack, HumanEval-X, EvoEval",
        "prompt=prompt,task_id=task_id,tests=test,entry_point=entry_point,reference=canonical_solution,"
        "wrong=buggy_solution",
        license="MIT",
        card="bigcode/humanevalpack",
        notes="an assertion of `check(candidate)` is a test; other languages are left out (`not_python`)",
        asks=False,
        prepare=preparations.prepare_humaneval,
    ),
    "kodcode": Preset(
        "KodCode-V1, KodCode-V1-SFT-R1",
        "prompt=statement,task_id=question_id|conversation_id,tests=test|test_code,entry_point=entry_point,"
        "reference=solution",
        license="CC-BY-NC-4.0",
        card="KodCode/KodCode-V1",
        notes="pytest files; the declarations that they rely on",
        prefix="kodcode/",
        asks=False,
        prepare=preparations.prepare_kodcode,
    ),
    "leetcode": Preset(
        "LeetCodeDataset",
        "prompt=problem_description,task_id=task_id,tests=test,entry_point=entry_point,reference=completion,"
        "starter_code=starter_code,setup=prompt",
        license="Apache-2.0",
        card="newfacade/LeetCodeDataset",
        notes="methods of `class Solution`; the names that LeetCode imports",
        prefix="leetcode/",
    ),
    "livecodebench": Preset(
        "LiveCodeBench",
        "prompt=question_content,task_id=question_id,tests=public_test_cases,hidden_tests=private_test_cases,"
        "entry_point=metadata.func_name,starter_code=starter_code",
        license="CC",
        card="livecodebench/code_generation_lite",
        notes="public tests visible, private ones hidden; no references",
        prefix="livecodebench/",
        prepare=preparations.prepare_livecodebench,
    ),
    "mbpp": Preset(
        "MBPP, full and sanitized",
        "prompt=statement,task_id=task_id,tests=test_list,hidden_tests=challenge_test_list,reference=code",
        license="CC-BY-4.0",
        card="google-research-datasets/mbpp",
        notes="assertions; tasks of MBPP+ are left out (`in_mbpp_plus`)",
        prefix="mbpp/",
        asks=False,
        prepare=preparations.prepare_mbpp,
    ),
    "nemo_gym": Preset(
        "NeMo Gym's `comp_coding`",
        "prompt=responses_create_params.input,task_id=verifier_metadata.problem_id|problem_id,"
        "tests=verifier_metadata.unit_tests",
        notes="messages as prompts; no references",
        prefix="nemo_gym/",
        asks=False,
    ),
    "opencodeinstruct": Preset(
        "OpenCodeInstruct",
        "prompt=input,task_id=id,tests=unit_tests,reference=output:answer",
        license="CC-BY-4.0",
        card="nvidia/OpenCodeInstruct",
        notes="assertions",
        prefix="opencodeinstruct/",
    ),
    "opencoder": Preset(
        "OpenCoder, `educational_instruct`",
        "prompt=instruction,task_id=seq_id,tests=testcase,entry_point=entry_point,reference=code",
        license="MIT",
        card="OpenCoder-LLM/opc-sft-stage2",
        notes="assertions (not seen)",
        prefix="opencoder/",
    ),
    "openthoughts": Preset(
        "OpenThoughts-114k, `metadata`",
        "prompt=problem,tests=test_cases,reference=ground_truth_solution:answer,starter_code=starter_code,task=domain",
        license="Apache-2.0",
        card="open-thoughts/OpenThoughts-114k",
        notes="scripts and functions; other domains are left out (`not_code`)",
        prefix="openthoughts/",
    ),
    "prime": Preset(
        "PrimeIntellect's verifiable problems, SYNTHETIC-1 and 2, DeepCoder",
        "prompt=prompt|problem|problem_statement,task_id=problem_id,tests=verification_info|tests,"
        "reference=gold_standard_solution|solutions:answer,starter_code=starter_code,task=task_type,"
        "language=verification_info.language,source=source",
        license="Apache-2.0",
        card="PrimeIntellect/verifiable-coding-problems",
        notes="scripts and functions; other tasks are left out (`not_code`)",
        prefix="prime/",
    ),
    "rstar": Preset(
        "rStar-Coder",
        "prompt=question,task_id=question_id,tests=inputs+outputs,entry_point=func_name,starter_code=starter_code",
        license="CC-BY-4.0",
        card="microsoft/rStar-Coder",
        notes="scripts and functions; no references",
        prefix="rstar/",
        prepare=preparations.prepare_rstar,
    ),
    "taco": Preset(
        "TACO, TACO-verified",
        "prompt=question,task_id=id,tests=input_output,reference=solutions,starter_code=starter_code,"
        "time_limit=time_limit",
        license="Apache-2.0",
        card="BAAI/TACO",
        notes="scripts and functions",
        prefix="taco/",
    ),
    "verl": Preset(
        "verl's layout: Eurus-2-RL-Data, kodcode-v1-verl",
        "prompt=prompt,task_id=extra_info.index,tests=reward_model.ground_truth,task=ability,"
        "reference=extra_info.reference:answer",
        card="PRIME-RL/Eurus-2-RL-Data",
        notes="messages as prompts; other abilities are left out (`not_code`) (not seen)",
        prefix="verl/",
        asks=False,
    ),
    "helpsteer3": Preset(
        "HelpSteer3",
        "prompt=context,chosen=chosen:answer,rejected=rejected:answer,language=language",
        license="CC-BY-4.0",
        card="nvidia/HelpSteer3",
        notes="pairs, of the domain `code`; rows without a preference are left out (`no_preference`)",
        prepare=preparations.prepare_helpsteer3,
        parts=ANSWERS,
    ),
    OWN_RECORDS: Preset("this project's own records", None, notes="all fields of a problem; a name must not repeat"),
    ANY_SET: Preset("any other set of problems", None, notes="`--columns` says where everything stands"),
    WITH_VERDICTS: Preset(
        "single programs with verdicts (CodeNet, Codeforces)",
        None,
        notes="`--columns program=…,passed=…`; attempts in `--trajectories`, from which `pair` chooses",
        parts=SUBMISSIONS,
    ),
}


def find_preset(name: str) -> Preset:
    """Return a preset.

    Raises:
        InputError: there is none of this name.
    """
    if name not in PRESETS:
        raise InputError(f"--format: {unknown_name('format', name, list(PRESETS))}")
    return PRESETS[name]
