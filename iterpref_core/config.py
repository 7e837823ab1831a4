"""`params.yaml` as typed, checked settings. No defaults live here: every knob stands once, in the file."""

import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from iterpref_core.errors import ConfigError, unknown_name
from iterpref_core.input_files import read_yaml

Share = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Count = Annotated[int, Field(ge=0)]
Beta = Annotated[float, Field(gt=0, le=10)]
Benchmark = Literal[
    "heldout",
    "validation",
    "humaneval",
    "humaneval+",
    "mbpp",
    "mbpp+",
    "bigcodebench-full-complete",
    "bigcodebench-full-instruct",
    "bigcodebench-hard-complete",
    "bigcodebench-hard-instruct",
    "livecodebench",
]
LiveCodeBenchRelease = Literal["release_v1", "release_v2", "release_v3", "release_v4", "release_v5", "release_v6"]
Layout = Literal["fork", "padded"]
PromptStyle = Literal["auto", "plain"]
AnswerStyle = Literal["bare", "fenced"]
Wording = Literal["terse", "instruct"]
Api = Literal["chat", "completions"]
BackendName = Literal["transformers", "vllm", "openai"]
WITH_WEIGHTS: tuple[BackendName, ...] = ("transformers", "vllm")
"""Backends that need the model's weights on this machine; the others know no more of a model than its name."""
Bf16 = bool | Literal["auto"]
"""Whether to compute in bfloat16; `auto`: on GPUs, and on processors with instructions for it."""
Load = Literal["auto", "bf16", "8bit", "4bit"]
"""The form in which training holds a model's weights; `docs/training.md` says what each is for."""
SaveDtype = Literal["auto", "float32", "bfloat16"]
"""The precision in which trained weights are written; `auto`: that of the checkpoint that training started from."""
LocalizationMethod = Literal["line_lcs", "prefix_suffix", "token", "causal"]


KEY_VARIABLE = "OPENAI_API_KEY"
"""The environment variable from which the key of an endpoint comes, and from nowhere else."""


def refuse_secrets(urls: Any) -> Any:
    """What `inference.base_url` is given, once it is clear that no password, key or query stands in it.

    Parameters are written down: in dvc.lock, MLflow and the report. So the message does not repeat the value either.

    Raises:
        ConfigError: something does.
    """
    if re.search("[@?#]", str(urls)):
        raise ConfigError(
            "inference.base_url: takes scheme, host, port and path alone; "
            f"a key comes from the environment variable {KEY_VARIABLE}"
        )
    return urls


class Settings(BaseModel):
    """Base of all sections: immutable; an unknown key is an error, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PromptFormat(Settings):
    """The form in which a model reads prompts.

    Attributes:
        style: `auto`: in the model's chat template, if it has one; `plain`: as text.
        separator: stands between a plain prompt and its answer.
        chat_template_kwargs: variables that every rendering of the chat template is given.
    """

    style: PromptStyle = "auto"
    separator: str = "\n"
    chat_template_kwargs: dict[str, Any] = {}

    @property
    def parameters(self) -> dict[str, Any]:
        """The format as parameters of the section `model`."""
        return {
            "prompt": self.style,
            "prompt_separator": self.separator,
            "chat_template_kwargs": self.chat_template_kwargs,
        }


class ModelParams(Settings):
    """Which models take part: `nanolab`, a folder, or a hub id; and how they read prompts."""

    student: Annotated[str, Field(min_length=1)]
    debugger: Annotated[str, Field(min_length=1)]
    prompt: PromptStyle
    prompt_separator: str
    chat_template_kwargs: dict[str, Any]

    @property
    def student_format(self) -> PromptFormat:
        """The form in which the student, and what is trained from it, reads prompts."""
        return PromptFormat(
            style=self.prompt, separator=self.prompt_separator, chat_template_kwargs=self.chat_template_kwargs
        )

    @property
    def debugger_format(self) -> PromptFormat:
        """The form in which debuggers and judges read prompts: always in their chat template, if they have one."""
        return PromptFormat(chat_template_kwargs=self.chat_template_kwargs)


class InferenceParams(Settings):
    """How `model.debugger` is asked, and what its answers cost; the student is always a local model."""

    backend: BackendName
    bf16: Bf16
    base_url: Annotated[Annotated[str, Field(min_length=1)] | None, BeforeValidator(refuse_secrets)]
    api: Api
    timeout_s: PositiveFloat
    attempts: PositiveInt
    price_prompt: Annotated[float, Field(ge=0)]
    price_completion: Annotated[float, Field(ge=0)]


class BudgetParams(Settings):
    """What a run may ask of a model at most, over all its restarts; None for no cap."""

    calls: PositiveInt | None
    tokens: PositiveInt | None
    dollars: PositiveFloat | None


class EnvironmentParams(Settings):
    """A project's own interpreter, and folders that its tests may read and import from."""

    python: Annotated[str, Field(min_length=1)]
    paths: tuple[str, ...]


class ExecutionParams(Settings):
    """Limits of one program run, what runs how many at once, and interpreters that tests may ask for by name."""

    cpu_s: PositiveFloat
    wall_s: PositiveFloat
    memory_mb: PositiveInt
    output_kb: PositiveInt
    file_mb: PositiveInt
    engine: Literal["local", "ray"]
    workers: PositiveInt
    allow_unsafe: bool
    environments: dict[str, EnvironmentParams]


class ProblemsParams(Settings):
    """How many problems are composed for which purpose; 0 everywhere leaves the users' own ones alone."""

    seed: Seed
    student: Count
    debugger: Count
    codeflow: Count
    validation: Count
    heldout: Count
    two_step_share: Share
    visible_tests: Annotated[int, Field(ge=6)]
    hidden_tests: Annotated[int, Field(ge=6)]


class ValidityParams(Settings):
    """How much of the problems' tests is measured, and which model judges them; None for no judge."""

    seed: Seed
    sample: PositiveInt
    mutants: PositiveInt
    judge: Annotated[str, Field(min_length=1)] | None


class SynthesisParams(Settings):
    """Problems written by a language model from a tree of features (`iterpref synthesize`)."""

    seed: Seed
    seed_chars: PositiveInt
    rounds: Count
    subtrees: PositiveInt
    breadth: Annotated[tuple[PositiveInt, ...], Field(min_length=2, max_length=4)]
    feature_temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    temperature: Annotated[float, Field(ge=0, le=2)]
    max_new_tokens: PositiveInt
    max_similarity: Annotated[float, Field(gt=0, le=1)]


class OwnCodeParams(Settings):
    """Which functions of a package or folder become problems, and which of its tests count."""

    max_test_s: PositiveFloat
    max_tests: PositiveInt
    max_prompt_chars: PositiveInt
    licenses: tuple[str, ...]


class NanolabParams(Settings):
    """Shape and training of the embedded models."""

    seed: Seed
    vocab_size: Annotated[int, Field(ge=300)]
    hidden_size: PositiveInt
    intermediate_size: PositiveInt
    layers: PositiveInt
    heads: PositiveInt
    student_steps: PositiveInt
    debugger_steps: PositiveInt
    batch_size: PositiveInt
    learning_rate: PositiveFloat
    muon_learning_rate: PositiveFloat
    bf16: Bf16
    repairs_per_problem: PositiveInt


class SamplingParams(Settings):
    """Drafts of each problem, where sampling is the source of pairs; at temperature 0 all of them would be the same."""

    samples: Annotated[int, Field(ge=2)]
    temperature: Annotated[float, Field(gt=0, le=2)]


class CodeflowParams(Settings):
    """The draft, execute, refine loop; or sampling in its place."""

    seed: Seed
    source: Literal["debugging", "sampling"]
    max_iterations: Count
    draft_model: Literal["student", "debugger"]
    wording: Wording
    temperature: Annotated[float, Field(ge=0, le=2)]
    max_new_tokens: PositiveInt
    concurrency: PositiveInt
    sampling: SamplingParams


class PairsParams(Settings):
    """Choice of the rejected version, and the quality filters."""

    seed: Seed
    rejected: Literal["random", "first", "last", "all"]
    pass_hidden: bool
    max_error_lines: PositiveInt
    max_tokens: PositiveInt
    benchmarks: tuple[str, ...]
    contaminated: Literal["drop", "keep"]
    near_duplicate: Annotated[float, Field(gt=0, lt=1)] | None
    judge: Annotated[str, Field(min_length=1)] | None


class LocalizationParams(Settings):
    """Error localization, and what becomes of a fix that only inserts lines."""

    method: LocalizationMethod
    empty: Literal["anchor", "drop", "keep"]
    max_executions: Annotated[int, Field(ge=4)]
    widen_lines: Count
    seed: Seed


class ObjectiveParams(Settings):
    """What an objective is tuned by: learning rate, and the weight of the NLL term; None where it is not stated."""

    learning_rate: PositiveFloat | None = None
    alpha: Annotated[float, Field(ge=0)] | None = None

    @model_serializer(mode="wrap")
    def _stated(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What is not stated is not written either: where values are recorded, None would look like one."""
        return {name: value for name, value in write(self).items() if value is not None}


class TrainingParams(Settings):
    """Focal preference training, shared by all objectives except for `objectives`.

    Which of those there are says the table on a higher floor (`objectives.find_objective` checks the names).
    """

    seed: Seed
    start: Annotated[str, Field(min_length=1)] | None
    beta: Beta
    epochs: PositiveInt
    batch_size: PositiveInt
    micro_batch_size: PositiveInt
    warmup_ratio: Share
    max_grad_norm: Annotated[float, Field(ge=0)]
    max_prompt_length: PositiveInt
    max_length: PositiveInt
    layout: Layout
    nll: Literal["mean", "sum"]
    answer: AnswerStyle
    bf16: Bf16
    load: Load
    gradient_checkpointing: bool
    lora: dict[str, Any] | None
    merge: bool
    save_dtype: SaveDtype
    validation_share: Annotated[float, Field(ge=0, lt=1)]
    select: Literal["last", "best"]
    max_margin: Annotated[float, Field(ge=0)]
    accelerate: Annotated[str, Field(min_length=1)] | None
    arguments: dict[str, Any]
    objectives: dict[str, ObjectiveParams]


def _check_day(text: str) -> str:
    date.fromisoformat(text)
    return text


Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$"), AfterValidator(_check_day)]
"""A date as ISO 8601 writes it; as text, dates are in order."""


class LiveCodeBenchParams(Settings):
    """Which of LiveCodeBench's problems: of a release, those whose contest was between two midnights."""

    release: LiveCodeBenchRelease
    since: Day | None
    until: Day | None


class EvaluationParams(Settings):
    """Benchmarks and sampling. One sample is greedy; of several, `temperature` is that of each."""

    seed: Seed
    benchmarks: Annotated[tuple[Benchmark, ...], Field(min_length=1)]
    samples: PositiveInt
    k: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    temperature: Annotated[float, Field(gt=0, le=2)]
    backend: Literal["transformers", "vllm"]
    batch_size: PositiveInt
    max_new_tokens: PositiveInt
    bootstrap: PositiveInt
    livecodebench: LiveCodeBenchParams


class ReportParams(Settings):
    """What the report shows."""

    pairs_shown: PositiveInt


class Params(Settings):
    """The whole of `params.yaml`."""

    model: ModelParams
    inference: InferenceParams
    budget: BudgetParams
    profile: str
    execution: ExecutionParams
    problems: ProblemsParams
    validity: ValidityParams
    synthesis: SynthesisParams
    own_code: OwnCodeParams
    nanolab: NanolabParams
    codeflow: CodeflowParams
    pairs: PairsParams
    localization: LocalizationParams
    training: TrainingParams
    evaluation: EvaluationParams
    report: ReportParams


_DELIVERED = Path(__file__).with_name("params.yaml")
"""In a checkout a link to its params.yaml, in the wheel a copy."""


def load_params(path: Path | str = "params.yaml") -> Params:
    """Read and check the parameters; where there is no params.yaml, those that the package brings.

    Raises:
        InputError: the file is absent or not YAML, or a key stands twice in it.
        ConfigError: a key is unknown, missing or out of range.
    """
    path = Path(path)
    if path == Path("params.yaml") and not path.exists() and _DELIVERED.exists():
        path = _DELIVERED
    values = read_yaml(path, "run from the repository's root")
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{path}: {_explain(error)}") from None


def with_values(params: Params, values: Mapping[str, Any]) -> Params:
    """The parameters with some of them replaced.

    Args:
        params: complete parameters.
        values: dotted key, such as `training.beta`, → value.

    Raises:
        ConfigError: a key is unknown or a value out of range.
    """
    changed = params.model_dump()
    for key, value in values.items():
        *path, last = key.split(".")
        section: Any = changed
        for part in path:
            if isinstance(section, dict) and section.get(part) is None:
                section[part] = {}  # a section that is null until a value of it is set, such as training.lora
            section = section[part] if isinstance(section, dict) else None
        if not isinstance(section, dict):
            raise ConfigError(f"{key}: unknown parameter; params.yaml has them all")
        section[last] = value
    try:
        return Params.model_validate(changed)
    except ValidationError as error:
        raise ConfigError(_explain(error)) from None


def _explain(error: ValidationError) -> str:
    """All problems of a failed validation, one a line, each with its key, the value and the remedy."""
    return "\n".join(_explain_one(dict(item)) for item in error.errors())


def _explain_one(item: dict) -> str:  # type: ignore[type-arg]
    location = [str(part) for part in item["loc"]]
    key = ".".join(location)
    if item["type"] == "missing":
        return f"{key}: missing; add it (git show HEAD:params.yaml has a complete file)"
    if item["type"] == "extra_forbidden":
        return f"{key}: {unknown_name('parameter', location[-1], _known_keys(location[:-1]))}"
    return f"{key}: {item['msg'][0].lower() + item['msg'][1:]} (got {item['input']!r})"


def _known_keys(location: list[str]) -> list[str]:
    section: type[BaseModel] = Params
    for part in location:
        annotation = section.model_fields[part].annotation if part in section.model_fields else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        section = annotation
    return list(section.model_fields)
