"""A model in the hub's cache, as the hub's client lays it out, on a machine that does not reach the hub."""

import hashlib
import shutil


def commit_of(folder):
    """The commit that stands for a folder."""
    return hashlib.sha1(str(folder).encode()).hexdigest()


def keep_model(monkeypatch, cache, name, **folders):
    """Keep folders, each under its branch or tag, and have the hub's library ask the cache alone."""
    kept = cache / f"models--{name.replace('/', '--')}"
    for revision, folder in folders.items():
        shutil.copytree(folder, kept / "snapshots" / commit_of(folder))
        (kept / "refs").mkdir(exist_ok=True)
        (kept / "refs" / revision).write_text(commit_of(folder))
    for setting, value in (("HF_HUB_CACHE", str(cache)), ("HF_HUB_OFFLINE", True)):
        monkeypatch.setattr(f"huggingface_hub.constants.{setting}", value)
