"""Run the experiment and sweeps, in the terminal or as flows of Prefect."""
