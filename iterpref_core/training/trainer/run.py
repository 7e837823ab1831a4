"""Run of a training: it is set up, trains from its last checkpoint, and writes model and curve."""

import shutil
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
from iterpref_core.records.stage_results import TrainingResult
from iterpref_core.training.model.policy import adapter_options, check_load
from iterpref_core.training.model.ranks import join_processes, sharding
from iterpref_core.training.trainer.base_trainer import BaseTrainer, DivergedError
from iterpref_core.training.trainer.checkpoint import (
    SaveSeldom,
    last_before_divergence,
    last_checkpoint,
    step_of,
    tell_left_behind,
)
from iterpref_core.training.trainer.early_end import EndEarly, EndedError
from iterpref_core.training.trainer.trained_model import OnLog, TellProgress, check_out, write_model


@dataclass(frozen=True)
class OutputPaths:
    """The paths that a training writes to.

    Attributes:
        out: folder for the trained checkpoint.
        curve: CSV of the training curve, one row per logged step.
        scratch: folder for unfinished work, kept outside of `out`.
    """

    out: Path
    curve: Path
    scratch: Path


@dataclass(frozen=True)
class Run:
    """A training of one objective, in every process that takes part.

    Attributes:
        objective: its name.
        model: the model to start from, as it was found.
        prompt: the form in which the model reads prompts; the trained model keeps to it.
        params: settings, with `bf16` decided.
        paths: where results and unfinished work go.
        processes: those that train together.
    """

    objective: str
    model: Path | str
    prompt: PromptFormat
    params: TrainingParams
    paths: OutputPaths
    processes: PartialState

    @cached_property
    def fingerprint(self) -> str:
        """A digest of the model and of how it reads prompts."""
        return model_fingerprint(self.model, self.prompt)

    def checkpoints(self, key: str) -> Path:
        """Return the folder of checkpoints of all runs that this key, and the same sharding, decide alike."""
        return self.paths.scratch / "checkpoints" / f"{self.objective}-{key}{sharding(self.processes)}"

    def train(
        self,
        trainer: BaseTrainer,
        checkpoints: Path,
        on_log: OnLog | None,
        *,
        resumes: bool = True,
        patience: int = 0,
    ) -> DivergedError | None:
        """Train, and return the error if training diverged.

        Args:
            trainer: whose checkpoints go to `checkpoints`.
            checkpoints: training continues from the last one here.
            on_log: called with (metrics, step) while training runs.
            resumes: False: training starts from the beginning.
            patience: validations in a row without a lower loss that end training; 0: none do.
        """
        resume = last_checkpoint(checkpoints) if resumes else None
        if self.processes.is_main_process:
            tell_left_behind(checkpoints, self.objective)
        with ExitStack() as opened:
            trainer.add_callback(TellProgress(f"train {self.objective}", opened, self.paths.curve, on_log))
            trainer.add_callback(EndEarly(patience))
            if not self.params.validation_share and "save_steps" not in self.params.arguments:
                trainer.add_callback(SaveSeldom())
            try:
                trainer.train(resume_from_checkpoint=str(resume) if resume else None)
            except EndedError:
                return None
            except DivergedError as error:
                return error
        return None

    def choose_weights(
        self,
        trainer: BaseTrainer,
        checkpoints: Path,
        diverged: DivergedError | None,
        advice: str,
        best: str | None = None,
    ) -> int:
        """Load the checkpoint that becomes the model, unless the trainer holds it, and return its step.

        Args:
            trainer: which has trained.
            checkpoints: the folder of its checkpoints.
            diverged: the error that ended training, if any: an earlier checkpoint becomes the model.
            advice: the remedy for the user where training diverged.
            best: the checkpoint to take where one was chosen by validation.

        Raises:
            TrainingError: training diverged before its first checkpoint.
        """
        folder = Path(best) if best else None
        if diverged:
            last = last_before_divergence(checkpoints, diverged, advice, tell=self.processes.is_main_process)
            folder = folder or last
        if folder is None:
            return int(trainer.state.global_step)
        trainer.load_weights(folder)
        return step_of(folder)

    def finish(
        self,
        trainer: BaseTrainer,
        checkpoints: Path,
        lineage: ModelLineage,
        result: TrainingResult,
    ) -> TrainingResult:
        """Write model and curve, remove the checkpoints, and return the whole result.

        Args:
            trainer: holds the weights to write.
            checkpoints: the folder of its checkpoints.
            lineage: of the model.
            result: of the training; the numbers of the written weights are added.
        """
        share = write_model(
            trainer,
            self.model,
            self.paths.out,
            lineage,
            merge=self.params.merge,
            save_dtype=self.params.save_dtype,
        )
        if self.processes.is_main_process:
            trainer.write_curve(self.paths.curve, result.model_step)
            shutil.rmtree(checkpoints, ignore_errors=True)
        self.processes.wait_for_everyone()
        written = {"bf16": float(self.params.bf16 is True), "surviving_change": share}
        return result.model_copy(update=written)


def set_up_run(
    objective: str,
    model: Path | str,
    params: TrainingParams,
    paths: OutputPaths,
    prompt: PromptFormat | None,
) -> Run:
    """Check the inputs of a training, meet the other processes, and return the run.

    Raises:
        ConfigError: quantization or adapters cannot be trained so, or `accelerate` is set and this process is alone.
        InputError: the model cannot be used, or `out` holds something other than a model of this objective.
    """
    prompt = prompt or PromptFormat()
    check_out(paths.out, objective)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    params = params.model_copy(update={"bf16": uses_bf16(params.bf16, device)})
    found = check_checkpoint(model, prompt)
    processes = join_processes(params.accelerate)
    check_load(params)
    adapter_options(found, params)
    return Run(
        objective=objective,
        model=found,
        prompt=prompt,
        params=params,
        paths=paths,
        processes=processes,
    )
