"""The experiment's flow, and what records it; a verb whose library is missing names the extra that has it."""

import subprocess
import sys

import flows.experiment
import tasks.mlflow_runs

assert flows.experiment.experiment.name == "experiment"
assert tasks.mlflow_runs

command = [sys.executable, "-m", "iterpref_core.cli", "execute", "--help"]
assert "samples" in subprocess.run(command, check=True, capture_output=True, text=True).stdout
