"""Reserve one GPU for each stage, across all processes of the user.

Reserving a GPU locks a file in a folder that belongs to the user. The system releases the lock when the process ends,
so runs, sweeps, workers and terminals share the GPUs without a scheduler.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import takewhile

from filelock import FileLock, Timeout

from .lock import locks_of_user

_POLL_S = 0.5


def visible_gpus() -> tuple[str, ...]:
    """Return the NVIDIA GPUs that `CUDA_VISIBLE_DEVICES` leaves visible.

    CUDA ignores every name after the first invalid one: `0,-1,1` leaves GPU 0, and `-1` leaves none.
    """
    # The user's choice comes first; without one, ask the driver.
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        names = map(str.strip, chosen.split(","))
        return tuple(takewhile(lambda name: name and not name.startswith("-"), names))
    if shutil.which("nvidia-smi") is None:
        return ()
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    return tuple(listed.stdout.split()) if listed.returncode == 0 else ()


@contextmanager
def reserved_gpus(*, every: bool = False) -> Iterator[None]:
    """Let this process and its children use one GPU, or all of them; wait until it is free.

    Return at once on a machine without a GPU.
    """
    seen = visible_gpus()
    # All are taken in one order, so that two that want every card do not wait for each other.
    choices = [(card,) for card in sorted(seen)] if every else [seen]
    with ExitStack() as taken:
        if seen:
            cards = [_take(choice, taken) for choice in choices]
            os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(cards)
        yield


def _take(cards: tuple[str, ...], taken: ExitStack) -> str:
    """Return the first of these cards that is free, which stays taken until the stack is closed."""
    locks = {card: FileLock(locks_of_user() / f"card-{card.replace('/', '_')}") for card in cards}
    said = False
    while True:
        # Take the first free GPU, or wait and try again.
        for card, lock in locks.items():
            with suppress(Timeout):
                taken.enter_context(lock.acquire(blocking=False))
                return card
        if not said:
            print(f"waiting for a GPU: other stages have {', '.join(cards)}", flush=True)
            said = True
        time.sleep(_POLL_S)
