"""Define the texts, settings and messages that rooms exchange.

In: JSON lines, params.yaml, prompts. Out: typed records (`Problem`, `Trajectory`, `PreferencePair`), every
parameter (`Params`), the errors that users read, and the tables of backends, benchmarks and objectives. Other
rooms import the names below from here.

A module is loaded when a name of it is first used: `make demo` looks at the machine's isolation before anything is
installed, and the errors have to do without pydantic.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .artifacts import *  # noqa: F403
    from .backend_table import *  # noqa: F403
    from .benchmark_table import *  # noqa: F403
    from .config import *  # noqa: F403
    from .digest import *  # noqa: F403
    from .errors import *  # noqa: F403
    from .input_files import *  # noqa: F403
    from .objective_table import *  # noqa: F403
    from .profiles import *  # noqa: F403
    from .prompt_messages import *  # noqa: F403
    from .results import *  # noqa: F403
    from .seeds import *  # noqa: F403
    from .stage_results import *  # noqa: F403
    from .statement import *  # noqa: F403

_NAMES = {
    "artifacts": """
        COMPOSED OWN_CODE TEST_EXAMPLES UNDECIDED AssertTest Attempt IoTest ModelLineage PreferencePair
        Problem PytestTest Record Result Sample ScriptTest SourceRow Span StdinTest Test Trajectory UnittestTest Verdict
        take_name unnumbered
    """,
    "backend_table": "BACKENDS BackendRow",
    "benchmark_table": "BENCHMARKS BIGCODEBENCH BIGCODEBENCH_HARD HUMANEVAL LIVECODEBENCH MBPP PUBLISHED Published",
    "config": """
        AnswerFormat BackendName BenchmarkName Bf16 BudgetParams Checkpointing CodeflowParams EnvironmentParams
        EvaluationParams ExecutionParams InferenceParams Inside KEY_VARIABLE Layout LiveCodeBenchParams
        LocalizationMethod LocalizationParams ModelParams NanolabParams ObjectiveName ObjectiveParams OwnCodeParams
        PairsParams Params ProblemsParams PromptFormat SamplingParams SaveDtype SynthesisParams TemplateUse
        TrainingParams ValidityParams Wording load_params with_values
    """,
    "digest": "digest_of",
    "errors": """
        BudgetError ConfigError DataUnavailableError EndpointError ExecutionError InputError IsolationError
        IterPrefError ModelError RecordError StorageError TrainingError UnansweredError first_line model_errors
        printable_text storage_errno storage_error storage_message unknown_name
    """,
    "input_files": """
        LinePlace PACKED RepeatedKeyError decode_text is_null open_input parse_json parse_json_at parse_yaml read_text
        read_yaml unique_keys
    """,
    "objective_table": "OBJECTIVES Objective is_unread",
    "profiles": "PROFILES flat_values flatten profile_values with_lines",
    "prompt_messages": """
        Message Prompt Role chat_messages labeled_text prompt_text question read_message read_prompt whole_characters
        with_question
    """,
    "results": """
        DataFile DifficultyRecord GroundTruth Incomplete Measured ModelResults ScoreRecord TokenCounts Unavailable
        metric_name
    """,
    "seeds": "derive_seed",
    "stage_results": """
        CodeflowResult EmbeddedTraining LocalizationResult NanolabResult PairsResult ProblemsResult StageResult
        TrainingResult ValidityResult
    """,
    "statement": """
        ASKED_BEGINNING ASKED_DECLARATIONS ASKED_DEFINITION ASKED_FUNCTION ASKED_METHOD ASKED_SCRIPT ASKED_TESTS OUTLINE
        exact_form loose_words merged_form read_own_function statement_digest statement_name without_outline word_runs
    """,
}
"""Each module with its names."""
HOME = {name: module for module, names in _NAMES.items() for name in names.split()}
"""Each name with its module."""
__all__ = list(HOME)


def __getattr__(name: str) -> Any:
    """Return a name of a module of this room."""
    if name not in HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{HOME[name]}", __name__), name)
