"""torchrun as the job scripts start it: signals reach the processes, exit codes come back."""

import signal
import subprocess
import sys
import time

import pytest

from conftest import ROOT

pytestmark = pytest.mark.long

WORKER = """
import os, pathlib, signal, sys, time
def stop(number, _):
    time.sleep(1)  # as long as a checkpoint takes
    sys.exit(128 + number)
signal.signal(signal.SIGUSR1, stop)
if sys.argv[1] == "fail" and os.environ["RANK"] == "1":
    sys.exit(3)
pathlib.Path(os.environ["RANK"]).touch()
time.sleep(60)
"""


def launch(folder, how):
    (folder / "worker.py").write_text(WORKER)
    command = [sys.executable, ROOT / "cluster/launch.py", "--nproc_per_node=2", "--master_port=0"]
    command += ["worker.py", how]
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)


def test_a_signal_is_passed_on_and_waited_for(tmp_path):
    process = launch(tmp_path, "stop")
    while not all((tmp_path / rank).exists() for rank in "01"):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.1)
    process.send_signal(signal.SIGUSR1)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 138, said
    assert "error: " not in said


def test_the_exit_code_is_that_of_the_process_that_failed(tmp_path):
    process = launch(tmp_path, "fail")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 3, said
    assert "error: process 1 failed with exit code 3, see above" in said
