"""Settings that libraries and tools read from the environment; the user's own settings take precedence."""

import logging
import os

_GIT_IDENTITY = ("GIT_AUTHOR_", "GIT_COMMITTER_", "GIT_CONFIG_")
"""The variables for the user's identity and git's configuration. Git's other variables name a repository."""


def set_up_libraries() -> None:
    """Let idle threads sleep, hide the hub's progress bars beside ours, and bypass proxies for this machine.

    Idle threads that sleep, instead of spinning, turned 24 s into 5 s on two cores that other processes used too. On
    idle cores nothing is lost.
    A git hook that starts a command exports its own repository (GIT_DIR and others). These variables are removed, so
    that a command works on the checkout in which it is started.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
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
    for name in list(os.environ):
        if name.startswith("GIT_") and not name.startswith(_GIT_IDENTITY):
            del os.environ[name]
