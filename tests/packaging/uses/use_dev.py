"""What tests and linters need."""

import importlib

for name in ("hypothesis", "moto", "flask_cors", "mypy", "packaging", "pytest", "pytest_timeout", "ruff", "xdist"):
    importlib.import_module(name)
