"""Asking language models: `backend_factory` opens one, `backend` has its protocol, `stored_model` keeps its answers."""
