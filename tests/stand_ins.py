"""Copies of the project with stand-ins for Python and nvidia-smi, and how to call its scripts.

Nothing here uses the network or touches the environment that the tests run in.
"""

import os
import shutil
import subprocess
import sys
import textwrap

from conftest import ROOT

VERSIONS = "torch 1+cpu, torchaudio 1, speechbrain 1, webdataset 1"

# Behaves like a Python with venv, pip and pytest: `pip install` puts down small modules instead
# of the real packages. Its torchaudio cannot be imported while it has a library, like the real one
# beside a CPU build of torch.
FAKE_PYTHON = f"""\
#!{sys.executable}
import os, shutil, sys
from pathlib import Path

me, args = Path(__file__), sys.argv[1:]
if args[:2] == ["-m", "venv"]:
    (Path(args[2]) / "bin").mkdir(parents=True)
    Path(args[2], "pyvenv.cfg").touch()
    shutil.copy(me, Path(args[2]) / "bin" / "python")
elif args[:2] == ["-m", "pip"]:
    if "--dry-run" in args:
        sys.exit(0 if os.environ.get("FAKE_CPU_BUILD", "yes") == "yes" else 1)
    with open(os.environ["FAKE_LOG"], "a") as log:
        print(args[-1], file=log)
    if os.environ.get("FAKE_PIP_FAILS"):
        sys.exit("ERROR: pip's own message")
    if args[-1] == "requirements_dev.txt":
        sys.exit()
    site = me.parent.parent / "site"
    (site / "torchaudio" / "lib").mkdir(parents=True, exist_ok=True)
    local = "+cpu" if args[-1] == "requirements_cpu.txt" else ""
    (site / "torch.py").write_text(
        f"class version: cuda = {{'None' if local else '13'}}\\n__version__ = '1{{local}}'")
    for name in "speechbrain", "webdataset":
        (site / f"{{name}}.py").write_text("__version__ = '1'")
    if local:
        (site / "torchaudio" / "lib" / "a.so").touch()
    (site / "torchaudio" / "__init__.py").write_text(
        "import pathlib\\n"
        "if list(pathlib.Path(__file__).parent.glob('lib/*.so')): raise OSError('no CUDA')\\n"
        "__version__ = '1'")
elif args[:2] == ["-m", "pytest"]:
    print("pytest", os.getcwd(), args[2:])
    sys.exit(5)
else:
    code = args[args.index("-c") + 1]
    sys.path.insert(0, str(me.parent.parent / "site"))
    sys._base_executable = os.environ["FAKE_BASE"]
    sys.version_info = tuple(map(int, os.environ.get("FAKE_VERSION", "3.12.1").split(".")))
    sys.dont_write_bytecode = True
    exec(code)
"""


def write_script(path, text):
    path.write_text(textwrap.dedent(text))
    path.chmod(0o755)


def run(command, **env):
    """Run a command; an environment variable that is None is taken away."""
    env = {name: str(value) for name, value in {**os.environ, **env}.items() if value is not None}
    return subprocess.run(
        [str(part) for part in command],
        env=env,
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def assert_one_line_error(result, *parts):
    assert result.returncode == 1, result
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1, result.stderr
    for part in parts:
        assert part in result.stderr


class Setup:
    """A copy of the project with scripts/setup_virtual_environment.sh and a stand-in for Python."""

    def __init__(self, folder):
        self.project = folder / "my project"  # a blank in the path must not matter
        self.venv = self.project / "venv"
        self.log = folder / "log"
        self.bin = folder / "bin"
        (self.project / "scripts").mkdir(parents=True)
        self.bin.mkdir()
        self.script = shutil.copy(
            ROOT / "scripts" / "setup_virtual_environment.sh", self.project / "scripts"
        )
        for requirements in ROOT.glob("requirements*.txt"):
            shutil.copy(requirements, self.project)
        self.python = self.bin / "a-python"
        write_script(self.python, FAKE_PYTHON)
        self.set_gpu(False)

    def set_gpu(self, present):
        answer = "echo 'GPU 0: a card'" if present else "exit 9"
        write_script(self.bin / "nvidia-smi", f"#!/bin/sh\n{answer}\n")

    def environment(self, **env):
        paths = {"PATH": f"{self.bin}:{os.environ['PATH']}", "VENV_DIR": self.venv}
        fake = {"PYTHON": self.python, "FAKE_LOG": self.log, "FAKE_BASE": self.python}
        return {**paths, **fake, **env}

    def __call__(self, *args, **env):
        """Run the script; return its result and what pip was asked to install."""
        self.log.write_text("")
        result = run([self.script, *args], **self.environment(**env))
        return result, self.log.read_text().split()

    def ok(self, *args, **env):
        result, installed = self(*args, **env)
        assert result.returncode == 0, result.stderr
        return result.stdout.splitlines(), installed
