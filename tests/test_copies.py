"""What becomes of tests that run in copies of a process, one of which dies."""

import subprocess
import sys

from tests.settings import ROOT

TESTS = """
import os, signal

def test_before(): pass

def test_death(): os.kill(os.getpid(), signal.SIGKILL)

def test_behind(tmp_path): assert "/copy-" in str(tmp_path)
"""


def test_a_copy_that_dies_is_a_failure_and_the_others_of_its_file_run_in_another_one(tmp_path):
    (tmp_path / "test_one.py").write_text(TESTS)
    (tmp_path / "test_two.py").write_text("def test_it():\n    print('seen')\n    assert False\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.copies", "--copies", "2", f"--rootdir={tmp_path}", tmp_path]
    done = subprocess.run(
        [*command, "-c", tmp_path / "pytest.ini"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "2 failed, 2 passed" in done.stdout, done.stdout + done.stderr
    assert "the process that ran it has ended with -9" in done.stdout
    assert "seen" in done.stdout
