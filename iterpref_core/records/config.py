"""Define the settings in `params.yaml`, typed and checked. Every value is in the file, without defaults here."""

import json
import re
from collections.abc import Mapping
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from .backend_table import BACKENDS
from .benchmark_table import BENCHMARKS
from .errors import ConfigError, unknown_name
from .input_files import read_yaml
from .objective_table import DELIVERED, OBJECTIVES
from .profiles import OBJECTIVE_VALUES, profile_values, with_lines

Text = Annotated[str, Field(min_length=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Count = Annotated[int, Field(ge=0)]
FinitePositive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
LiveCodeBenchRelease = Literal["release_v1", "release_v2", "release_v3", "release_v4", "release_v5", "release_v6"]
Layout = Literal["fork", "padded"]
TemplateUse = Literal["auto", "plain", "completion"]
AnswerFormat = Literal["bare", "fenced"]
# `terse`, `instruct`, or the path of templates (`models.prompts.codeflow_prompts`).
Wording = Text
Api = Literal["chat", "completions"]


def _switch_or(word: str) -> BeforeValidator:
    """Refuse other values than a switch or a word in the words of YAML; pydantic would name each type of the union."""

    def check(value: Any) -> Any:
        if not isinstance(value, bool) and value != word:
            raise PydanticCustomError("switch", "takes true, false or {word}", {"word": word})
        return value

    return BeforeValidator(check)


# True: compute in bfloat16. `auto`: on GPUs, and on processors with instructions for bfloat16.
Bf16 = Annotated[bool | Literal["auto"], _switch_or("auto")]
# True: a layer's activations are computed again in the backward pass. `selective`: the cheap ones of them.
Checkpointing = Annotated[bool | Literal["selective"], _switch_or("selective")]
# The form of a model's weights during training; `docs/training-settings.md` explains each.
Load = Literal["auto", "bf16", "8bit", "4bit"]
# The precision of saved weights; `auto`: the precision of the checkpoint that training started from.
SaveDtype = Literal["auto", "float32", "bfloat16"]
LocalizationMethod = Literal["line_lcs", "prefix_suffix", "token"]

if TYPE_CHECKING:
    BenchmarkName = str
    BackendName = str
    LocalBackendName = str
    ObjectiveName = str
else:
    # Names that a table holds, as a type: pydantic, the command line and Prefect's forms list them, in one place.
    BenchmarkName = Literal[tuple(BENCHMARKS)]
    BackendName = Literal[tuple(BACKENDS)]
    ObjectiveName = Literal[DELIVERED]
    LocalBackendName = Literal[tuple(name for name, row in BACKENDS.items() if row.local)]


# Fields of a call that this project sets, or needs for reading replies.
_EVERY_CALL = {
    "model",
    "messages",
    "prompt",
    "seed",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "stop",
    "stream",
    "n",
}
# The environment variable that holds the key of an endpoint; it is read from nowhere else.
KEY_VARIABLE = "OPENAI_API_KEY"


def refuse_secrets(urls: Any) -> Any:
    """Return a value of `inference.base_url` unchanged if it contains no password and no key.

    Parameters are written down: in dvc.lock, MLflow and the report. So the message does not repeat the value either.

    Raises:
        ConfigError: the value may contain a password, or its query has another parameter than a version.
    """
    # "https://user:password@host/v1?key=abc" has two secrets.
    text, _, query = str(urls).partition("?")
    names = [part.partition("=")[0] for part in query.split("&") if part]
    if re.search("[@#]", text + query) or any("version" not in name.lower() for name in names):
        raise ConfigError(
            "inference.base_url: takes scheme, host, port, path and an API's version (?api-version=2024-10-21) alone; "
            f"a key comes from the environment variable {KEY_VARIABLE}"
        )
    return urls


class Settings(BaseModel):
    """The base of all sections: immutable; an unknown key is an error, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PromptFormat(Settings):
    """The form of a model's prompts.

    Attributes:
        template: `auto`: in the model's chat template, if it has one; `plain`: as text, and a line break;
            `completion`: as text, which the program continues.
        chat_template_kwargs: variables that every rendering of the chat template is given.
    """

    template: TemplateUse = "auto"
    chat_template_kwargs: dict[str, Any] = {}

    @property
    def parameters(self) -> dict[str, Any]:
        """Return the format as parameters of the section `model`."""
        return {
            "prompt": self.template,
            "chat_template_kwargs": self.chat_template_kwargs,
        }


class ModelParams(Settings):
    """The models, each `nanolab`, a folder or a hub id, and the form of their prompts."""

    student: Text
    debugger: Text
    prompt: TemplateUse
    chat_template_kwargs: dict[str, Any]

    @property
    def student_format(self) -> PromptFormat:
        """Return the form of prompts for the student and every model trained from it."""
        return PromptFormat(
            template=self.prompt,
            chat_template_kwargs=self.chat_template_kwargs,
        )

    @property
    def debugger_format(self) -> PromptFormat:
        """Return the form of prompts for the debugger, which is its chat template if it has one."""
        return PromptFormat(chat_template_kwargs=self.chat_template_kwargs)


class InferenceParams(Settings):
    """The backend of `model.debugger` and the prices of its answers; the student is always a local model."""

    backend: BackendName
    bf16: Bf16
    base_url: Annotated[Text | None, BeforeValidator(refuse_secrets)]
    api: Api
    concurrency: PositiveInt
    timeout_s: PositiveFloat
    requests_per_minute: PositiveFloat | None
    top_p: Annotated[float, Field(gt=0, le=1)] | None
    top_k: PositiveInt | None
    min_p: Share | None
    reasoning_effort: Text | None
    extra_body: dict[str, Any]
    price_prompt: NonNegativeFloat
    price_completion: NonNegativeFloat

    @property
    def request_fields(self) -> dict[str, Any]:
        """Return the fields that the user has put into the body of each call of an endpoint."""
        named = ("top_p", "top_k", "min_p", "reasoning_effort")
        fields = {name: getattr(self, name) for name in named if getattr(self, name) is not None}
        return fields | self.extra_body

    @model_validator(mode="after")
    def _check_fields(self) -> Self:
        """Refuse fields that would be ignored, or would replace fields of every call.

        Raises:
            ConfigError: the call has a field of this kind.
        """
        # A model in this process has no calls with fields of their own.
        fields = self.request_fields
        if fields and BACKENDS[self.backend].local:
            names = ", ".join(fields)
            raise ConfigError(
                f"inference: {names}: only an endpoint takes them (inference.backend: openai); unset them"
            )
        taken = self.extra_body.keys() & _EVERY_CALL
        if taken:
            raise ConfigError(f"inference.extra_body: every call has a {min(taken)} of its own; leave it out")
        return self


class BudgetParams(Settings):
    """The caps on calls, tokens and dollars of a run, over all its restarts; None for no cap."""

    calls: PositiveInt | None
    tokens: PositiveInt | None
    dollars: PositiveFloat | None


class EnvironmentParams(Settings):
    """A project's own interpreter, folders that its tests may read and import from, and variables that they see."""

    python: Text
    paths: tuple[str, ...]
    variables: dict[str, str] = {}


# What to do with problems whose tests run inside the candidate's process: mark them, or leave them out.
Inside = Literal["mark", "refuse"]


class ExecutionParams(Settings):
    """The limits of one program run, the engine and its workers, and the interpreters that tests may name."""

    cpu_s: PositiveFloat
    wall_s: PositiveFloat
    memory_mb: PositiveInt
    output_kb: PositiveInt
    file_mb: PositiveInt
    engine: Literal["local", "ray"]
    workers: PositiveInt
    inside: Inside
    allow_unsafe: bool
    environments: dict[str, EnvironmentParams]


class ProblemsParams(Settings):
    """The number of composed problems in each split; with 0 everywhere, only ingested problems are used."""

    seed: Seed
    student: Count
    debugger: Count
    codeflow: Count
    validation: Count
    heldout: Count


class ValidityParams(Settings):
    """The number of problems whose tests are measured."""

    sample: PositiveInt


class SynthesisParams(Settings):
    """The settings of problems that a language model writes from a tree of features (`iterpref synthesize`)."""

    subtrees: PositiveInt
    max_new_tokens: PositiveInt


class OwnCodeParams(Settings):
    """The licenses of code that may become problems, or reach a model on another machine; and whose code it is."""

    licenses: tuple[str, ...]
    private: bool


class NanolabParams(Settings):
    """The shape and training of the embedded models."""

    hidden_size: PositiveInt
    intermediate_size: PositiveInt
    student_steps: PositiveInt
    debugger_steps: PositiveInt
    batch_size: PositiveInt
    muon_learning_rate: PositiveFloat


class SamplingParams(Settings):
    """The drafts of each problem, if sampling is the source of pairs; at temperature 0 all would be the same."""

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
    sampling: SamplingParams


def _number_of_some(value: Any) -> Any:
    """Refuse other values in one sentence; pydantic would name each type of the union."""
    if value in ("all", "none") or (type(value) is int and value >= 0):
        return value
    raise PydanticCustomError("replay", "takes all, none or a number, such as 500; all replaces 1.0")


# A number of some rows.
Replay = Annotated[int | Literal["all", "none"], BeforeValidator(_number_of_some)]


class PairsParams(Settings):
    """The choice of the rejected version, and the quality filters."""

    rejected: Literal["random", "first", "last", "all"]
    replay: Replay
    pass_hidden: bool
    max_error_lines: PositiveInt
    max_tokens: PositiveInt
    benchmarks: tuple[str, ...]

    @property
    def replay_limit(self) -> int | None:
        """The number of programs to replay; None for all."""
        return {"all": None, "none": 0}[self.replay] if isinstance(self.replay, str) else self.replay


class LocalizationParams(Settings):
    """The method of error localization, and the policy for fixes that only insert lines (`empty`)."""

    method: LocalizationMethod
    empty: Literal["anchor", "drop", "keep"]
    widen_lines: Count


_MISSING = "missing; add it (git show HEAD:params.yaml has a complete file)"
# The weight of an NLL.
Alpha = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class ObjectiveParams(Settings):
    """The hyperparameters of one objective, in its line; None for one that it does not read (`Objective.reads`).

    Attributes:
        learning_rate: the largest of the schedule.
        alpha: the weight of the NLL.
        beta: the strength of the implicit KL penalty.
    """

    learning_rate: FinitePositive | None = None
    alpha: Alpha | None = None
    beta: FinitePositive | None = None

    @model_serializer(mode="wrap")
    def _stated(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out values that it does not read: among recorded parameters None would look like a value."""
        return {name: value for name, value in write(self).items() if value is not None}


class TrainingParams(Settings):
    """The settings of training: shared by all objectives, but for `objectives`, which has a line for each."""

    seed: Seed
    start: Text | None
    reference: Text | None
    epochs: PositiveInt
    batch_size: PositiveInt
    micro_batch_size: PositiveInt
    warmup_ratio: Share
    max_prompt_length: PositiveInt
    max_length: PositiveInt
    layout: Layout
    nll: Literal["mean", "sum"]
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)]
    answer: AnswerFormat
    bf16: Bf16
    load: Load
    gradient_checkpointing: Checkpointing
    lora: dict[str, Any] | None
    merge: bool
    save_dtype: SaveDtype
    validation_share: Annotated[float, Field(ge=0, lt=1)]
    select: Literal["last", "best"]
    early_stopping_patience: Count
    max_margin: NonNegativeFloat
    accelerate: Text | None
    arguments: dict[str, Any]
    objectives: dict[ObjectiveName, ObjectiveParams]

    @model_validator(mode="after")
    def _check_lines(self) -> Self:
        """Refuse a line that lacks a value, or has one without an effect: a mistake that would not show in the loss.

        Raises:
            ConfigError: a line is not complete, or has too much.
        """
        for name in DELIVERED:
            row = OBJECTIVES[name]
            stated = self.objectives.get(name, ObjectiveParams()).model_dump()
            for key in sorted(stated.keys() ^ set(row.reads)):
                fault = f"has no effect on {name}; remove it; there are {', '.join(row.reads)}"
                raise ConfigError(f"training.objectives.{name}.{key}: {fault if key in stated else _MISSING}")
        return self


def _check_day(text: str) -> str:
    date.fromisoformat(text)
    return text


# A date in ISO 8601, such as `2024-08-01`; texts of this form sort by date.
Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$"), AfterValidator(_check_day)]


class LiveCodeBenchParams(Settings):
    """The window of LiveCodeBench: a release, and the dates between which a problem's contest took place."""

    release: LiveCodeBenchRelease
    since: Day | None
    until: Day | None


class EvaluationParams(Settings):
    """The benchmarks and the sampling; without a `temperature` one sample is greedy.

    `max_new_tokens`: None for the limit of each benchmark's own runner.
    """

    seed: Seed
    benchmarks: Annotated[tuple[BenchmarkName, ...], Field(min_length=1)]
    samples: PositiveInt
    k: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    temperature: Annotated[float, Field(gt=0, le=2)] | None
    backend: LocalBackendName
    batch_size: PositiveInt
    max_new_tokens: PositiveInt | None
    livecodebench: LiveCodeBenchParams


class ReportParams(Settings):
    """The settings of the report."""

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


# All parameters with the values of the profile nano: in a checkout a link to its params.yaml, in the wheel a copy.
_DELIVERED = Path(__file__).with_name("params.yaml")
# The profile whose values count in a folder without a params.yaml.
_DEFAULT_PROFILE = "own"
# What other trainers and runners call a parameter.
OTHER_NAMES = {
    "activation_checkpointing": "gradient_checkpointing",
    "data_seed": "seed",
    "eval_steps": "arguments.save_steps",
    "eval_strategy": "validation_share",
    "gradient_accumulation_steps": "batch_size",
    "gradient_clipping": "arguments.max_grad_norm",
    "load_best_model_at_end": "select",
    "loss_type": "objectives",
    "lr": "learning_rate",
    "max_completion_length": "max_length",
    "max_seq_length": "max_length",
    "max_tokens": "max_new_tokens",
    "n_samples": "samples",
    "num_epochs": "epochs",
    "num_train_epochs": "epochs",
    "peft_config": "lora",
    "per_device_eval_batch_size": "micro_batch_size",
    "per_device_train_batch_size": "micro_batch_size",
    "train_batch_size": "batch_size",
    "warmup_steps": "warmup_ratio",
} | {
    name: f"arguments.{name}"
    for name in (
        "logging_steps", "lr_scheduler_type", "max_grad_norm", "max_steps", "optim", "report_to", "save_steps",
        "weight_decay",
    )
}  # fmt: skip


def load_params(path: Path | str = "params.yaml") -> Params:
    """Read and check the parameters of params.yaml, or of the profile `own` if there is none.

    Raises:
        InputError: the file is absent or not YAML, or a key occurs twice in it.
        ConfigError: a key is unknown, missing or out of range.
    """
    path = Path(path)
    if path == Path("params.yaml") and not path.exists() and _DELIVERED.exists():
        own = profile_values(_DEFAULT_PROFILE) | {"profile": _DEFAULT_PROFILE}
        return with_values(load_params(_DELIVERED), own)
    values = read_yaml(path, "run from the repository's root")
    try:
        return _validate(values)
    except ValidationError as error:
        raise ConfigError(f"{path}: {_explain(error)}") from None


def with_values(params: Params, values: Mapping[str, Any]) -> Params:
    """Return parameters with some of them replaced.

    Args:
        params: complete parameters.
        values: dotted key, such as `training.seed`, → value; see `with_lines`.

    Raises:
        ConfigError: a key is unknown or a value out of range.
    """
    # "training.seed" sets `seed` in the section `training`.
    changed = params.model_dump()
    for key, value in with_lines(values).items():
        *path, last = key.split(".")
        # A section as a value would drop its other parameters.
        if not path and isinstance(value, Mapping) and isinstance(getattr(params, key, None), Settings):
            keys = ", ".join(f"{key}.{name}" for name in value) or f"{key}.NAME"
            raise ConfigError(f"{key}: a section has no value of its own; use dotted keys: {keys}")
        section: Any = changed
        for part in path:
            if isinstance(section, dict) and section.get(part) is None:
                section[part] = {}  # a section that is null until a value of it is set, such as training.lora
            section = section[part] if isinstance(section, dict) else None
        if not isinstance(section, dict):
            raise ConfigError(f"{key}: unknown parameter; params.yaml has them all")
        section[last] = value
    try:
        return _validate(changed)
    except ValidationError as error:
        raise ConfigError(_explain(error)) from None


def _validate(values: Any) -> Params:
    """Return checked parameters without conversions: pydantic would take true for 1, and the text "7" for a number.

    Values go through JSON, since pydantic's strict mode takes a list for a tuple only there.
    """
    return Params.model_validate_json(json.dumps(values), strict=True)


def _explain(error: ValidationError) -> str:
    """Return the errors of a failed validation, one a line, each with its key, the value and the remedy."""
    lines: dict[Any, str] = {}
    for item in error.errors():
        # A value that was set for all objectives is told of the first.
        place = item["loc"][3:] if item["loc"][:2] == ("training", "objectives") else item["loc"]
        lines.setdefault((place, item["type"], str(item["input"])), _explain_one(dict(item)))
    return "\n".join(lines.values())


def _explain_one(item: dict) -> str:  # type: ignore[type-arg]
    # pydantic's errors name the field, but not what to do.
    location = [str(part) for part in item["loc"]]
    key = ".".join(location)
    if item["type"] == "missing":
        return f"{key}: {_MISSING}"
    if item["type"] == "extra_forbidden":
        return f"{key}: {_unknown_key(location)}"
    if location[-1:] == ["[key]"]:  # training.objectives.target_dpo.[key]
        return f"{'.'.join(location[:-2])}: {unknown_name('objective', location[-2], OBJECTIVES)}"
    message = str(item["msg"])
    reason = message[0].lower() + message[1:]
    if item["type"] == "model_type":
        reason = "a section takes parameters, one a line; git show HEAD:params.yaml has a complete file"
    place = f"{key}: " if key else ""
    return f"{place}{reason} (got {item['input']!r})"


def _unknown_key(location: list[str]) -> str:
    """Return the message for an unknown key: with its name here, the nearest key of its section, or its section.

    >>> _unknown_key(["training", "lr"])
    "no parameter 'lr'; did you mean 'training.learning_rate'?"
    """
    *section, given = location
    if section == ["training"] and given in OBJECTIVE_VALUES:
        return "stands in each line of training.objectives; remove it here (`iterpref init --set` writes it there)"
    name = OTHER_NAMES.get(given, given)
    known = _known_keys(section)
    near = [".".join([*section, key]) for key in get_close_matches(name, known, n=1)]
    if name.startswith("arguments."):
        near = [f"training.{name}"]
    elif name not in known:
        elsewhere = [f"{other}.{name}" for other in _known_keys([]) if name in _known_keys([other])]
        near = elsewhere or near
    if not near:
        return unknown_name("parameter", given, known)
    return f"no parameter {given!r}; did you mean {' or '.join(map(repr, near))}?"


def _known_keys(location: list[str]) -> list[str]:
    """Return the keys of the section at a place; none if a list or value is there."""
    # Follow the path through the types of the fields, such as Params → TrainingParams.
    section: Any = Params
    for part in location:
        if hasattr(section, "model_fields"):
            field = section.model_fields.get(part)
            section = field and field.annotation
        else:  # a mapping of sections, such as training.objectives
            section = next(reversed(get_args(section)), None)
    short = OBJECTIVE_VALUES if section is TrainingParams else ()
    return [*getattr(section, "model_fields", ()), *short]
