"""Functions and classes for scripts and notebooks that no stage runs; `iterpref_core` names them."""
