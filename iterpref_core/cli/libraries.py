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
        from iterpref_core.records.errors import printable_text

        return printable_text(super().format(record))


def set_up_libraries() -> None:
    """Let idle threads sleep, hide the hub's progress bars beside ours, and bypass proxies for this machine.

    Idle threads that sleep, instead of spinning, turned 24 s into 5 s on two cores that other processes used too. On
    idle cores nothing is lost.
    A git hook that starts a command exports its own repository (GIT_DIR and others). The variables that git calls local
    to a repository are removed, so that a command works on the checkout in which it is started. Among them git's
    configuration stays: a user sets it, too, such as GIT_CONFIG_COUNT for a folder of another owner.
    DVC asks for the user's name, which the system does not know in a container that `docker run --user 1234` starts.
    """
    try:
        getuser()
    except (KeyError, OSError):  # of Python before 3.13, and since
        os.environ["USER"] = str(os.getuid())
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    if logging.lastResort is not None:  # the handler of a verb, which sets up none
        logging.lastResort.setFormatter(PrintableFormatter())
    # Each training on a CPU would warn of a package for four-bit weights, and almost none has such weights.
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
