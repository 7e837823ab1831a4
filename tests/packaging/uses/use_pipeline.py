"""The experiment's flow, and what records it; a verb whose library is missing names the extra that has it."""

import subprocess
import sys

import flows.experiment
import tasks.recording.tracking

assert flows.experiment.experiment.name == "experiment"
assert tasks.recording.tracking

command = [sys.executable, "-m", "flows.entry_point", "execute", "--help"]
assert "samples" in subprocess.run(command, check=True, capture_output=True, text=True).stdout
