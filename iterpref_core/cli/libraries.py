"""Settings that libraries and tools read from the environment; the user's own settings take precedence."""

import logging
import os
import subprocess
from contextlib import suppress
from getpass import getuser


class PrintableFormatter(logging.Formatter):
    """A format of log messages without control characters: names and feedback in them are of users and programs."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the message as a terminal may show it."""
        from iterpref_core.records import printable_text

        return printable_text(super().format(record))


def set_up_libraries() -> None:
    """Set the environment of libraries: sleeping threads, no progress bars of the hub, no proxy for this machine.

    A git hook that starts a command exports its own repository (GIT_DIR and others). Remove these variables, so that
    the command works on the checkout where it was started. Keep git's configuration, because users also set it, such
    as GIT_CONFIG_COUNT for a folder of another owner.
    """
    # DVC asks for the user's name, which is unknown in a container that `docker run --user 1234` starts.
    try:
        getuser()
    except (KeyError, OSError):  # of Python before 3.13, and since
        os.environ["USER"] = str(os.getuid())
    # Idle threads that sleep instead of spinning turned 24 s into 5 s on two busy cores, and cost no time on idle ones.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    if logging.lastResort is not None:  # the handler of a verb, which sets up none
        logging.lastResort.setFormatter(PrintableFormatter())
    # Each training on a CPU would warn about a package for four-bit weights, which almost no training uses.
    logging.getLogger("bitsandbytes.backends.cpu").setLevel(logging.ERROR)
    given = os.environ.get("no_proxy") or os.environ.get("NO_PROXY", "")
    direct = given.split(",") if given else []
    for name in ("127.0.0.1", "localhost"):
        # A command started by another one has them already.
        if name not in direct:
            direct.append(name)
    os.environ["no_proxy"] = ",".join(direct)
    os.environ["NO_PROXY"] = ",".join(direct)
    if any(name.startswith("GIT_") for name in os.environ):
        with suppress(OSError):  # no git
            command = ["git", "rev-parse", "--local-env-vars"]
            asked = subprocess.run(command, capture_output=True, text=True, check=False)
            for name in asked.stdout.split():
                if not name.startswith("GIT_CONFIG"):
                    os.environ.pop(name, None)
