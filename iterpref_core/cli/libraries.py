"""Settings of libraries that they read when they are imported, or when they first connect; what the user set stays."""

import os


def set_up_libraries() -> None:
    """Let idle threads sleep, show no bars of others' where there are our own, and ask no proxy for this machine.

    Sleep instead of spin: on two cores that other processes also used, 24 s became 5 s. On idle cores nothing is lost.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    direct = [os.environ.get("no_proxy") or os.environ.get("NO_PROXY", ""), "127.0.0.1", "localhost"]
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(filter(None, direct))
