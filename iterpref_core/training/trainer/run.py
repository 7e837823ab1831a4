"""Set up a training, train from its last checkpoint, and write model and curve."""

import logging
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from accelerate import PartialState

from iterpref_core.models.pretrained.fingerprint import model_fingerprint
from iterpref_core.models.pretrained.weights import check_checkpoint, uses_bf16
from iterpref_core.records import ModelLineage
from iterpref_core.records.config import PromptFormat, TrainingParams
from iterpref_core.records.errors import InputError, TrainingError
from iterpref_core.records.stage_results import TrainingResult
from iterpref_core.training.data.pairs import PairReader
from iterpref_core.training.model.policy import adapter_options, check_load
from iterpref_core.training.model.ranks import join_processes, launched_precision, sharding
from iterpref_core.training.objectives.objective_settings import ObjectiveSettings, settings_of
from iterpref_core.training.trainer.checkpoint import last_checkpoint, run_key, step_of
from iterpref_core.training.trainer.curve import OnLog, ReportProgress, write_curve
from iterpref_core.training.trainer.early_end import DivergedError, EndedError
from iterpref_core.training.trainer.focal_trainer import FocalTrainer
from iterpref_core.training.trainer.settings import check_settings
from iterpref_core.training.trainer.trained_model import check_out, write_model

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """A training of one objective, in every process that takes part.

    Attributes:
        objective: its name, its row of the table, and the values that hold for it.
        reader: of the files of pairs.
        model: the model to start from, as it was found.
        prompt: how the model reads prompts; the trained model keeps to it.
        params: settings, with `bf16` decided.
        out: folder for the trained checkpoint.
        curve: CSV of the training curve, one row per logged step.
        scratch: folder for unfinished work, kept outside of `out`.
        processes: the processes that train together.
    """

    objective: ObjectiveSettings
    reader: PairReader
    model: Path | str
    prompt: PromptFormat
    params: TrainingParams
    out: Path
    curve: Path
    scratch: Path
    processes: PartialState

    @cached_property
    def fingerprint(self) -> str:
        """A digest of the model and of how it reads prompts."""
        return model_fingerprint(self.model, self.prompt)

    @cached_property
    def checkpoints(self) -> Path:
        """The folder of checkpoints of all runs that the same settings, files and sharding decide."""
        name = self.objective.name
        key = run_key(self.reader.digests, self.fingerprint, name, self.params)
        return self.scratch / "checkpoints" / f"{name}-{key}{sharding(self.processes)}"

    def train(self, trainer: FocalTrainer, on_log: OnLog | None, *, resumes: bool) -> DivergedError | None:
        """Train, and return the error if training diverged.

        Args:
            trainer: whose checkpoints go to `checkpoints`.
            on_log: called with (metrics, step) while training runs.
            resumes: False: training starts from the beginning, and not from the last checkpoint.
        """
        # The folder's name has the digest of all that decides the weights.
        resume = last_checkpoint(self.checkpoints) if resumes else None
        with ExitStack() as opened:
            trainer.add_callback(ReportProgress(f"train {self.objective.name}", opened, self.curve, on_log))
            try:
                trainer.train(resume_from_checkpoint=str(resume) if resume else None)
            except EndedError:
                return None
            except DivergedError as error:
                return error
        return None

    def choose_weights(self, trainer: FocalTrainer, diverged: DivergedError | None) -> int:
        """Load the checkpoint that becomes the model, unless the trainer holds it, and return its step.

        Args:
            trainer: which has trained.
            diverged: the error that ended training, if any: an earlier checkpoint becomes the model.

        Raises:
            TrainingError: training diverged before its first checkpoint.
        """
        # Validation chooses first; a divergence takes the newest checkpoint without it.
        best = trainer.state.best_model_checkpoint if self.params.select == "best" else None
        folder = Path(best) if best else None
        if diverged:
            advice = "lower the learning rate (or raise training.max_margin, if the margin ended it)"
            # The newest checkpoint is from before the step that diverged.
            last = last_checkpoint(self.checkpoints)
            if last is None:
                raise TrainingError(
                    f"training diverged: {diverged}, before its first checkpoint, so a model is missing; {advice}"
                )
            if self.processes.is_main_process:
                logger.warning("training diverged: %s; an earlier checkpoint becomes the model; %s", diverged, advice)
            folder = folder or last
        if folder is None:
            return int(trainer.state.global_step)
        trainer.load_weights(folder)
        return step_of(folder)

    def finish(self, trainer: FocalTrainer, lineage: ModelLineage, result: TrainingResult) -> TrainingResult:
        """Write model and curve, remove the checkpoints, and return the whole result.

        Args:
            trainer: holds the weights to write.
            lineage: of the model.
            result: of the training; the numbers of the written weights are added.
        """
        share = write_model(trainer, self.model, self.out, lineage, self.params)
        if self.processes.is_main_process:
            write_curve(self.curve, trainer.state.log_history, result.model_step)
            shutil.rmtree(self.checkpoints, ignore_errors=True)
        self.processes.wait_for_everyone()
        written = {"bf16": float(self.params.bf16 is True), "surviving_change": share}
        return result.model_copy(update=written)


def set_up_run(
    objective: str,
    files: Mapping[str, Path],
    model: Path | str,
    params: TrainingParams,
    out: Path,
    curve: Path,
    scratch: Path,
    prompt: PromptFormat | None,
) -> Run:
    """Check the inputs of a training, meet the other processes, and return the run.

    Raises:
        ConfigError: the objective is unknown, settings cannot be taken, quantization or adapters cannot be trained
            so, or `accelerate` is set and this process is alone.
        InputError: the model cannot be used, or `out` holds something other than a model of this objective, or
            another path of this training lies in it.
    """
    prompt = prompt or PromptFormat()
    resolved = settings_of(objective, params)
    for name, path in ({"curve": curve, "scratch": scratch} | dict(files)).items():
        if path.resolve().is_relative_to(out.resolve()):
            raise InputError(
                f"{path}: {name} lies in {out}, which the trained model replaces as a whole; choose another path"
            )
    check_out(out, objective)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    bf16 = launched_precision(bf16=uses_bf16(params.bf16, device))
    params = params.model_copy(update={"bf16": bf16})
    # The model is looked at before processes wait for each other.
    found = check_checkpoint(model, prompt)
    processes = join_processes(params.accelerate)
    check_load(params)
    adapter_options(found, params)
    check_settings(params)
    return Run(
        objective=resolved,
        reader=PairReader(files["pairs"], files["spans"]),
        model=found,
        prompt=prompt,
        params=params,
        out=out,
        curve=curve,
        scratch=scratch,
        processes=processes,
    )
