"""Verbs of a checkout, which `iterpref` shows beside those of the library: the whole experiment."""

from flows.cli.machine_verbs import doctor, init
from flows.cli.run_verbs import run, sweep, ui

VERBS = (init, doctor, run, sweep, ui)
