"""Define the command line of a checkout."""

from flows.cli.machine_verbs import doctor, init
from flows.cli.run_verbs import run, sweep, ui
from iterpref_core.cli.app import make_app

app = make_app({"Experiment": (init, doctor, run, sweep, ui)})
