"""The files of one program, on the supervisor's side; the steps of its tests come one turn after the other.

A process that knew a later step could learn a right answer: `assert f(3) == 777`, then `assert g(777) == 777`. So the
next steps are shown when the reports so far are complete and out of the program's reach. A program gains nothing if it
asks too early, or writes a report itself: it claims a value that it could also return.
"""

import contextlib
import os

from ..packets import MAX_PACKET, Files, write_all
from ..protocol.jobs import Job

MAX_CHANNEL = 64 << 20
"""Bytes of reports that are read; a report that is cut off there is ignored."""


class ProgramFiles:
    """A context manager that closes the files.

    Args:
        job: the program, its input and its turns.

    Attributes:
        files: descriptors for the zygote.
        asked: our end of the pipe by which the program asks for its next turn.
        reports: the reports that are kept.
    """

    def __init__(self, job: Job) -> None:
        self._turns = iter(job.turns)
        self._keep = job.keep
        self.reports = bytearray()
        self.asked, asking = os.pipe()
        answers, self._answer = os.pipe()
        # A program that reads what it asked itself, or never reads the answers, must not stop this thread.
        for end in (self.asked, self._answer):
            os.set_blocking(end, False)
        output = os.memfd_create("output")
        self.files = Files(
            stdin=_input(job.stdin or b""),
            stdout=output if job.stdin is None else os.memfd_create("stdout"),
            stderr=output,
            job=os.memfd_create("job"),
            channel=os.memfd_create("channel"),
            asking=asking,
            answers=answers,
        )
        write_all(self.files.job, job.program)
        self._end_of_job = len(job.program)

    def __enter__(self) -> "ProgramFiles":
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in {self.asked, self._answer, *self.files}:
            os.close(descriptor)

    def keep_reports(self) -> int:
        """Copy the reports that are new, which the program cannot change any more; return the number of their bytes."""
        kept = len(self.reports)
        most = min(os.fstat(self.files.channel).st_size, MAX_CHANNEL) - kept
        if most > 0:
            self.reports += os.pread(self.files.channel, most, kept)
        return len(self.reports) - kept

    def output(self) -> tuple[bytes, int]:
        """Return the beginning of standard output, and the number of bytes printed."""
        printed = sum(os.fstat(each).st_size for each in {self.files.stdout, self.files.stderr})
        return os.pread(self.files.stdout, self._keep, 0), printed

    def give(self) -> bool:
        """Show the steps of the next turn if the program asks for them in its turn; return False if it cannot ask."""
        with contextlib.suppress(OSError):
            # All that is there: to ask must not cost the program less than this thread.
            os.read(self.asked, MAX_PACKET)
            if self.keep_reports() and self.reports.endswith(b"\n"):
                # At a place of ours: the program can move the place where the file is written.
                self._end_of_job += os.pwrite(self.files.job, next(self._turns, b""), self._end_of_job)
                os.write(self._answer, b"!")
            return True
        return False


def _input(text: bytes) -> int:
    """Return a file with a text, opened as `< file` does."""
    written = os.memfd_create("stdin")
    write_all(written, text)
    opened = os.open(f"/proc/self/fd/{written}", os.O_RDONLY)
    os.close(written)
    return opened
