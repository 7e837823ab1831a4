"""Settings of libraries and tools that are read when they start or connect; what the user set stays."""

import os
from collections.abc import Mapping

_GIT_IDENTITY = ("GIT_AUTHOR_", "GIT_COMMITTER_", "GIT_CONFIG_")
"""Who the user is and how git is configured, as opposed to which repository a caller works on."""


def set_up_libraries() -> None:
    """Let idle threads sleep, hide bars of others where there are our own, and ask no proxy for this machine.

    Sleep instead of spin: on two cores that other processes also used, 24 s became 5 s. On idle cores nothing is lost.
    A git hook that starts a command exports its own repository (GIT_DIR and others). That is forgotten: a command
    works on the checkout in which it is started.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    direct = [os.environ.get("no_proxy") or os.environ.get("NO_PROXY", ""), "127.0.0.1", "localhost"]
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(filter(None, direct))
    for name in os.environ.keys() - without_git_variables(os.environ).keys():
        del os.environ[name]


def without_git_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which git looks for its repository from the present folder upwards.

    >>> without_git_variables({"GIT_DIR": "/other/.git", "GIT_AUTHOR_NAME": "Ada", "HOME": "/home/ada"})
    {'GIT_AUTHOR_NAME': 'Ada', 'HOME': '/home/ada'}
    """
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith("GIT_") or name.startswith(_GIT_IDENTITY)
    }
