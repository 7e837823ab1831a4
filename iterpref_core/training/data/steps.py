"""Count the micro-batches of a batch, and the batches of a training."""

from iterpref_core.records import ConfigError, TrainingParams


def accumulation_steps(params: TrainingParams, processes: int) -> int:
    """Return how many micro-batches each process computes for one batch.

    Raises:
        ConfigError: `batch_size` is not a multiple of the pairs that the processes compute at once.
    """
    at_once = params.micro_batch_size * processes
    if params.batch_size % at_once:
        times = f" x {processes} processes = {at_once}" if processes > 1 else ""
        raise ConfigError(
            f"params.yaml: training.batch_size: {params.batch_size} is no multiple of training.micro_batch_size "
            f"= {params.micro_batch_size}{times}; change one of them"
        )
    return params.batch_size // at_once


def training_steps(params: TrainingParams, pairs: int) -> int:
    """Return how many optimizer steps a training takes: `max_steps`, or the steps of all epochs."""
    limit = int(params.arguments.get("max_steps", -1))
    if limit > 0:
        return limit
    return max(1, -(-pairs // params.batch_size) * params.epochs)
