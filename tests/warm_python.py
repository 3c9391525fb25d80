"""A `python` that has the libraries in memory already, for tests that start many commands.

Importing torch and SpeechBrain takes longer than most commands of the recipe. Here a server imports
them once and forks a process for each command. What is not a library is imported by each anew. The
process is in the group of the one that has asked, if they are of one session: signals to the group
reach both.
"""

import atexit
import contextlib
import fcntl
import functools
import gc
import importlib
import json
import multiprocessing
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import warnings
from pathlib import Path

LIBRARIES = (
    *("huggingface_hub.hf_api", "jinja2", "matplotlib.backends.backend_agg", "matplotlib.figure"),
    *("optuna", "scipy.signal", "scipy.stats", "sklearn.linear_model", "sklearn.manifold"),
    *("silero_vad", "soundfile", "speechbrain.inference.speaker", "torch._dynamo"),
    *("torch.distributed.run", "torch.utils.tensorboard", "webdataset"),
)
OPTIONS = ("-B", "-W", "-c", "-m", "-u")  # what else there is takes a Python of its own
FORWARDED = ("SIGINT", "SIGTERM", "SIGUSR1")

CLIENT = """\
#!{python} -IS
import json, os, signal, socket, sys
if sys.argv[1].startswith("-") and sys.argv[1] not in {options}:
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
files = os.listdir("/proc/self/fd")
files = [int(name) for name in files if os.path.exists("/proc/self/fd/" + name)]
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
request = [files, os.getpgid(0), sys.argv, os.getcwd(), dict(os.environ)]
request = json.dumps(request).encode()
socket.send_fds(server, [len(request).to_bytes(8, "big")], files)
server.sendall(request)
for file in files:
    if file > 2:
        os.close(file)
process = int.from_bytes(server.recv(8), "big")
for name in {forwarded}:
    signal.signal(getattr(signal, name), lambda number, _: os.kill(process, number))
code = int.from_bytes(server.recv(8), "big", signed=True)
if code < 0:
    if -code != signal.SIGKILL:
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
sys.exit(code)
"""


def warm_environment() -> Path:
    """A folder like a virtual environment, with bin/python, bin/torchrun and bin/activate.

    All processes of the tests share it: its name is in the environment of those that the first one
    starts, with which its server ends.
    """
    if "WARM_ENVIRONMENT" not in os.environ:
        os.environ["WARM_ENVIRONMENT"] = str(start_server())
    return Path(os.environ["WARM_ENVIRONMENT"])


def start_server():
    """Make the environment, and start its server, which imports nothing before it is asked."""
    folder = Path(tempfile.mkdtemp(prefix="warm"))  # short: the path of a socket is
    address = folder / "socket"
    names = {"python": sys.executable, "address": str(address)}
    make_environment(folder, CLIENT.format(**names, options=OPTIONS, forwarded=FORWARDED))
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL}
    subprocess.Popen([sys.executable, __file__, address], **streams)
    while not address.exists():
        pass
    return folder


def make_environment(folder, python=f'#!/bin/sh\nexec "{sys.executable}" "$@"\n'):
    """Make the folder of `warm_environment`, but with another text as bin/python.

    Where this Python does not fit the requirements, setup_virtual_environment.sh refuses to touch
    such a folder; the environment that runs the tests it would remove, to make it anew.
    """
    (folder / "bin").mkdir(parents=True)
    torchrun = '#!/bin/sh\nexec "${0%/*}/python" -m torch.distributed.run "$@"\n'
    activate = f'PATH="{folder}/bin:$PATH"\nexport PATH\n'
    for name, text in (("python", python), ("torchrun", torchrun), ("activate", activate)):
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    for stamp in Path(sys.prefix).glob(".setup*.stamp"):
        (folder / stamp.name).symlink_to(stamp)


def warm_python() -> str:
    """The `python` of `warm_environment`."""
    return str(warm_environment() / "bin/python")


def describe_environment_once():
    """Ask `pip freeze` once in this process, not for each run folder.

    It takes as long as a training of the tests.
    """
    from speechbrain.utils import logger

    logger.get_environment_description = functools.cache(logger.get_environment_description)


def serve(address):
    """Fork for each request, until the one who has started this server is gone.

    Returns the request, in the process that is to fulfil it.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            shutil.rmtree(Path(address).parent)
            sys.exit()
        import_libraries()
        connection, _ = listener.accept()
        if os.fork() == 0:
            break
        connection.close()
    listener.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    header, files, _, _ = socket.recv_fds(connection, 8, 64)
    request, size = b"", int.from_bytes(header, "big")
    while len(request) < size:
        request += connection.recv(size - len(request))
    numbers, group, *request = json.loads(request)
    if process := os.fork():
        follow(process, connection, files)
    connection.close()
    with contextlib.suppress(PermissionError):  # of another session
        os.setpgid(0, group)
    files = [fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, 1000) for file in files]  # out of the way
    for file, number in zip(files, numbers, strict=True):
        os.dup2(file, number)
    return request


@functools.cache
def import_libraries():
    """Import what the forks are to have."""
    for library in LIBRARIES:
        importlib.import_module(library)
    describe_environment_once()
    sys.modules["speechbrain"].utils.logger.get_environment_description()
    gc.freeze()  # or the forks would copy the memory when they tidy up


def follow(process, connection, files):
    """Tell the client how its process ends; end it where the client is killed."""
    for file in files:
        os.close(file)
    with contextlib.suppress(BrokenPipeError):  # killed so soon, which is seen below
        connection.sendall(process.to_bytes(8, "big"))
    ended = os.pidfd_open(process)
    ready, _, _ = select.select([ended, connection], [], [])
    if ended not in ready:
        os.kill(process, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if ended in ready:
        with contextlib.suppress(BrokenPipeError):
            connection.sendall(code.to_bytes(8, "big", signed=True))
    os._exit(0)


def run(command, folder, environment):
    """What `python ARGUMENTS` does; the processes that it starts are as warm."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.executable, *arguments = command
    multiprocessing.set_executable(sys.executable)
    while arguments[0] in ("-B", "-W", "-u"):
        option = arguments.pop(0)
        if option == "-W":
            warnings.simplefilter(arguments.pop(0))
        elif option == "-u":
            sys.stdout.reconfigure(write_through=True)
    paths = environment.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[0:1] = ["", *filter(None, paths)]
    if arguments[0] == "-c":
        sys.argv = ["-c", *arguments[2:]]
        exec(arguments[1], {"__name__": "__main__"})
    elif arguments[0] == "-m":
        sys.argv = ["-m", *arguments[2:]]
        sys.path[0] = os.getcwd()
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        sys.path[0] = str(Path(arguments[0]).resolve().parent)
        runpy.run_path(arguments[0], run_name="__main__")


def main(address):
    """Serve; in a fork, run its command and end as Python does, but for the tidying up.

    To free one by one what the libraries hold takes longer than most commands.
    """
    try:
        run(*serve(address))
        code = 0
    except SystemExit as stop:
        if not isinstance(stop.code, int | None):
            raise
        code = stop.code or 0
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code & 255)


if __name__ == "__main__":
    main(sys.argv[1])
