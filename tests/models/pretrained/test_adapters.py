"""Adapters: what a model without them does not wait for."""

import subprocess
import sys


def test_models_without_adapters_are_loaded_and_checked_without_peft() -> None:
    """PEFT brings bitsandbytes, which warns of kernels that it looks for on a hub."""
    program = (
        "import sys, iterpref_core.models.pretrained.weights, tasks.doctor; "
        "import iterpref_core.models.inference.backend_factory; "
        "print([name for name in ('peft', 'bitsandbytes') if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"
