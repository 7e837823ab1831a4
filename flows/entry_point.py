"""What `iterpref` of an environment that was installed before calls."""

from iterpref_core.cli import main

__all__ = ["main"]
