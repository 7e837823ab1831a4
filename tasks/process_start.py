"""Start of a process: tells it apart from a later one with the same number."""

from pathlib import Path

import psutil


def process_start(process: psutil.Process) -> float:
    """Return a number that stays the same for the whole life of a process, whichever process asks.

    The time of day will not do: Linux derives it from the clock, so each correction of the clock moves it. Two stages
    of one `dvc repro` would see two starts of DVC, and a running stage would pass for one that was killed.

    Returns:
        Clock ticks from the boot to the start, on Linux; seconds since the epoch elsewhere.

    Raises:
        psutil.NoSuchProcess: the process has ended.
    """
    path = Path(f"/proc/{process.pid}/stat")
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return process.create_time()
    # "4711 (a name) with spaces) S 1 …": field 2 is the name, and field 22 the start.
    after_name = text.rpartition(")")[2]
    return float(after_name.split()[19])
