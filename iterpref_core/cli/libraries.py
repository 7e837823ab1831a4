"""Settings that libraries and tools read from the environment; the user's own settings take precedence."""

import os
from collections.abc import Mapping

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
    given = os.environ.get("no_proxy") or os.environ.get("NO_PROXY", "")
    direct = given.split(",") if given else []
    for name in ("127.0.0.1", "localhost"):
        # A command started by another one has them already.
        if name not in direct:
            direct.append(name)
    os.environ["no_proxy"] = ",".join(direct)
    os.environ["NO_PROXY"] = ",".join(direct)
    for name in os.environ.keys() - without_git_variables(os.environ).keys():
        del os.environ[name]


def without_git_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which git looks for its repository from the present folder upwards.

    >>> without_git_variables({"GIT_DIR": "/other/.git", "GIT_AUTHOR_NAME": "Ada", "HOME": "/home/ada"})
    {'GIT_AUTHOR_NAME': 'Ada', 'HOME': '/home/ada'}
    """
    kept = {}
    for name, value in environment.items():
        if not name.startswith("GIT_") or name.startswith(_GIT_IDENTITY):
            kept[name] = value
    return kept
