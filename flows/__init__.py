"""Prefect flows: one for each DVC stage, and those that chain them.

DVC starts a stage as `python -m flows.<stage>`, and this is the first that runs: a fork may take the stage over.
"""

import sys

from tasks.orchestration.fork_client import hand_over

FORKED = {"flows.nanolab", "flows.codeflow", "flows.pairs", "flows.training", "flows.evaluation"}
"""Stages that import the libraries of models; the others are at work before a fork is there."""

if sys.argv[0] == "-m" and not FORKED.isdisjoint(sys.orig_argv):  # so it is while Python looks for the module
    hand_over()
