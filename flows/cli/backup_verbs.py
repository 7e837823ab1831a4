"""`iterpref backup` and `iterpref restore`: what neither git nor DVC's remote has."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

_ARCHIVE = "A file beside the checkout, such as ../backup.tar.gz."


def backup(archive: Annotated[Path, typer.Argument(dir_okay=False, help=_ARCHIVE)]) -> None:
    """Write MLflow's records and artifacts, models' answers and dvc.lock into a new file. Runs may go on."""
    from tasks.backup import back_up
    from tasks.mlflow.server import is_in_checkout, shown_uri

    manifest = back_up(archive)
    _print_counts(list(manifest.files))
    typer.echo(f"{archive}: {archive.stat().st_size / 2**20:,.1f} MiB, read again and found whole")
    if not is_in_checkout():
        typer.echo(f"not in it: the records of MLflow at {shown_uri()}; back that server up, too")
    typer.echo("not in it: code (git) and DVC's artifacts (`dvc push`)")


def restore(archive: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help=_ARCHIVE)]) -> None:
    """Bring the files of a backup into this checkout, such as a fresh clone. Nothing is written over."""
    from tasks.backup import restore as bring_back

    manifest, brought = bring_back(archive)
    _print_counts(brought)
    typer.echo(f"{len(brought)} of {len(manifest.files)} files brought, the others were here; next: dvc pull")
    if manifest.checkout != str(Path.cwd()):
        typer.echo(
            f"the backup is of {manifest.checkout}: MLflow shows the pages of its reports only in a checkout of that "
            "path; runs and metrics are here, too"
        )


def _print_counts(names: list[str]) -> None:
    """Print the number of files of each folder or name."""
    counts = Counter("/".join(Path(name).parts[: 2 if name.startswith(".") else 1]) for name in names)
    for name, count in sorted(counts.items()):
        typer.echo(f"{name:24} {count:,}")
