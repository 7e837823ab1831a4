"""DVC in this process: the start of its command takes most of a second, and most tests only need what it makes."""


def init_dvc(**options: bool) -> None:
    """Make the present folder a DVC repository."""
    from dvc.repo import Repo

    Repo.init(**options).close()


def reproduce(*targets: str) -> None:
    """Bring stages of the present folder's graph up to date; all of them if none is named."""
    from dvc.repo import Repo

    with Repo() as repo:
        repo.reproduce(list(targets) or None)
