"""Launched process: a verb of the library that notes the exit code with which it ends.

`accelerate launch` ends with 1, whatever its processes end with.
"""

import sys
from contextlib import suppress
from pathlib import Path

from iterpref_core.cli import main as run_library


def main(note: Path) -> None:
    """Run the verb that the command line names, and note an exit code other than 0 if no process has noted one yet."""
    try:
        run_library()
    except SystemExit as ended:
        if ended.code:
            # The first process that fails has the reason; the others are ended because of it.
            with suppress(FileExistsError), note.open("x", encoding="ascii") as file:
                file.write(str(ended.code))
        raise


if __name__ == "__main__":
    main(Path(sys.argv.pop(1)))
