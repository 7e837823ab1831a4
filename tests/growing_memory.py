"""A process that holds more freed memory after every pass than may stay."""


class Releases:
    """The releases of freed memory in a process whose memory grows with every look at it."""

    def __init__(self, monkeypatch):
        from iterpref_core.models.pretrained import freed_memory

        self.count = 0
        self._held = 0
        monkeypatch.setattr(freed_memory, "private_bytes", self._grow)
        monkeypatch.setattr(freed_memory, "release_freed_memory", self._release)

    def _grow(self):
        from iterpref_core.models.pretrained import freed_memory

        self._held += freed_memory.KEPT_BYTES + 1
        return self._held

    def _release(self):
        self.count += 1
