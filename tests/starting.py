"""Start trainings in processes of their own, to stop them and to kill them."""

import subprocess
import time

from conftest import RECIPE
from running import PROTOTYPE, QUICK, data_options
from warm_python import warm_python

TORCHRUN = ("-m", "torch.distributed.run", "--standalone")


def start(small, output, *options, processes=None, python=None, hparams=PROTOTYPE, shards=None):
    """Start a training as the command line does; by torchrun, if `processes` tells how many.

    Give sys.executable as `python` where it matters who is whose child.
    """
    command = [python or warm_python()]
    if processes:
        command += [*TORCHRUN, f"--nproc_per_node={processes}"]
    command += [str(RECIPE / "train_speaker_embeddings.py"), hparams, *data_options(small, shards)]
    command += ["--output_folder", str(output), *QUICK, *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, process_group=0, **pipes)


def wait_for(process, output, pattern):
    """Wait until there is a file in the output folder of a training that runs."""
    while not list(output.glob(pattern)):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def finish(process):
    """Wait for the end, which is to be a good one; returns what was printed and said."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, out + err
    return out, err


def kill(process):
    """End a process at once, and wait until all that it has started is gone."""
    process.kill()
    process.communicate()
