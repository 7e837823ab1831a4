"""DVC's command as this project runs it: `python -m tasks.dvc ARGUMENT…`."""

import sys

from dvc.cli import main

from tasks.dvc.corrections import correct_dvc

if __name__ == "__main__":
    correct_dvc()
    sys.exit(main(sys.argv[1:]))
