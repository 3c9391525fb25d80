"""The shell scripts, run on a copy of the project with stand-ins for Python, nvidia-smi and rsync.

Nothing here uses the network or touches the environment that the tests run in.
"""

import os
import shutil
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
SCRIPTS = [
    *sorted((PROJECT / "scripts").glob("*.sh")),
    PROJECT / "test.sh",
    PROJECT / ".ci" / "run",
]
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


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script_is_valid_bash_and_executable(script):
    assert run(["bash", "-n", script]).returncode == 0
    assert os.access(script, os.X_OK)


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
            PROJECT / "scripts" / "setup_virtual_environment.sh", self.project / "scripts"
        )
        for requirements in PROJECT.glob("requirements*.txt"):
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


@pytest.fixture
def setup(tmp_path):
    return Setup(tmp_path)


def test_second_call_installs_nothing_and_dev_adds_only_dev(setup):
    lines, installed = setup.ok()
    assert installed == ["requirements_cpu.txt"]
    assert lines[-1] == VERSIONS
    assert "Removed the 1 CUDA libraries" in lines[-2]

    assert setup.ok() == ([VERSIONS], [])
    assert setup.ok("--dev")[1] == ["requirements_dev.txt"]
    assert setup.ok("--dev") == ([VERSIONS], [])
    assert setup.ok() == ([VERSIONS], [])


def test_venv_is_below_the_project_by_default(setup):
    setup.ok(VENV_DIR="")
    assert (setup.project / "venv" / "pyvenv.cfg").exists()


def test_later_calls_use_the_python_of_the_environment(setup):
    setup.ok()
    assert setup.ok(PYTHON="") == ([VERSIONS], [])


@pytest.mark.parametrize("change", ["requirements", "Python", "import", "half"])
def test_environment_that_does_not_fit_is_made_anew(setup, change):
    setup.ok("--dev")
    stale = setup.venv / "stale"
    stale.touch()
    env = {}
    if change == "requirements":
        with open(setup.project / "requirements.txt", "a") as file:
            file.write("einops==0.8.1\n")
    elif change == "Python":
        env = {"FAKE_VERSION": "3.11.9"}
    elif change == "import":
        (setup.venv / "site" / "webdataset.py").unlink()
    else:
        (setup.venv / "bin" / "python").unlink()
    lines, installed = setup.ok("--dev", **env)
    assert installed == ["requirements_cpu.txt", "requirements_dev.txt"]
    assert lines[-1] == VERSIONS
    assert not stale.exists()


def test_failed_install_shows_why_and_is_repeated(setup):
    result, _ = setup(FAKE_PIP_FAILS="yes")
    assert result.returncode == 1
    assert "pip's own message" in result.stderr
    assert setup.ok()[1] == ["requirements_cpu.txt"]


def test_gpu_takes_the_cuda_build_and_keeps_it_on_a_machine_without(setup):
    setup.ok()
    setup.set_gpu(True)
    lines, installed = setup.ok()
    assert installed == ["requirements.txt"]
    assert lines[-1].startswith("torch 1, ")
    setup.set_gpu(False)
    assert setup.ok()[1] == []


def test_without_a_cpu_build_one_line_says_what_happens(setup):
    lines, installed = setup.ok(FAKE_CPU_BUILD="no")
    assert installed == ["requirements.txt"]
    assert "PIP_EXTRA_INDEX_URL" in lines[0]
    assert setup.ok(FAKE_CPU_BUILD="no")[1] == []


def test_two_calls_at_once_install_once(setup):
    if shutil.which("flock") is None:
        pytest.skip("flock is missing, so calls at once are not kept apart")
    setup.log.touch()
    env = {name: str(value) for name, value in {**os.environ, **setup.environment()}.items()}
    calls = [
        subprocess.Popen([setup.script], env=env, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for call in calls:
        assert call.communicate(timeout=60)[0].splitlines()[-1] == VERSIONS
        assert call.returncode == 0
    assert setup.log.read_text().split() == ["requirements_cpu.txt"]


@pytest.mark.parametrize("version", ["3.9.2", "3.15.0", "2.7.18"])
def test_python_of_another_version_is_one_line(setup, version):
    assert_one_line_error(setup(FAKE_VERSION=version)[0], version, "3.11 to 3.14", "a-python")
    assert not setup.venv.exists()


@pytest.mark.parametrize("text", [None, "#!/bin/sh\nexit 127\n", "#!/bin/sh\necho Python 3.12\n"])
def test_python_that_does_not_run_is_one_line(setup, text):
    setup.python.unlink()
    if text is not None:
        write_script(setup.python, text)
    assert_one_line_error(setup()[0], "a-python does not run", "3.11 to 3.14")


def test_no_python_at_all_is_one_line(setup):
    for tool in "bash", "dirname", "env":
        (setup.bin / tool).symlink_to(shutil.which(tool))
    assert_one_line_error(setup(PYTHON="", PATH=setup.bin)[0], "no python3", "3.11 to 3.14")


def test_python_without_venv_module_is_one_line(setup):
    text = FAKE_PYTHON.replace(
        "    exec(code)", '    sys.modules["ensurepip"] = None\n    exec(code)'
    )
    write_script(setup.python, text)
    assert_one_line_error(setup()[0], "3.12.1 without the module ensurepip", "python3-venv")


def test_folder_that_is_no_environment_is_left_alone(setup):
    setup.venv.mkdir()
    (setup.venv / "thesis.tex").touch()
    assert_one_line_error(setup()[0], "not empty", "VENV_DIR")
    assert (setup.venv / "thesis.tex").exists()


def test_folder_that_cannot_be_made_is_one_line(setup):
    setup.venv.touch()
    assert_one_line_error(setup()[0], "VENV_DIR")


def test_unknown_argument_is_one_line(setup):
    assert_one_line_error(setup("--gpu")[0], "--gpu", "--dev")


def test_test_sh_runs_pytest_in_the_project_with_its_arguments(setup):
    script = shutil.copy(PROJECT / "test.sh", setup.project)
    result = run([script, "-k", "one or two"], **setup.environment())
    assert result.returncode == 5
    arguments = ["-n", "2", "--maxschedchunk", "1", "-k", "one or two"]
    assert result.stdout.splitlines()[-1] == f"pytest {setup.project} {arguments}"
    assert "requirements_dev.txt" in setup.log.read_text()


class Download:
    """A copy of the project with scripts/download_data.sh and a stand-in for rsync."""

    tools = "bash", "cat", "cp", "dirname", "env", "head", "ls", "mkdir", "mv", "rm", "touch"

    def __init__(self, folder):
        self.folder = folder
        self.project = folder / "project"
        self.data = folder / "my data"
        self.bin = folder / "bin"
        self.remote = folder / "remote.zip"
        self.log = folder / "log"
        (self.project / "scripts").mkdir(parents=True)
        self.bin.mkdir()
        self.script = shutil.copy(
            PROJECT / "scripts" / "download_data.sh", self.project / "scripts"
        )
        for tool in self.tools:
            (self.bin / tool).symlink_to(shutil.which(tool))
        write_script(
            self.bin / "unzip",
            f"""\
            #!{sys.executable}
            import sys, zipfile
            zipfile.ZipFile(sys.argv[-3]).extractall(sys.argv[-1])
            """,
        )
        if shutil.which("unzip"):
            (self.bin / "unzip").unlink()
            (self.bin / "unzip").symlink_to(shutil.which("unzip"))
        self.set_rsync('cp "$REMOTE" "$target"')
        self.set_env(SCIENCE_USERNAME="me", DATA_FOLDER=self.data)

    def set_rsync(self, action):
        write_script(
            self.bin / "rsync",
            f'#!/usr/bin/env bash\nset -e\necho "$*" >>"$LOG"\ntarget=${{!#}}\n{action}\n',
        )

    def set_env(self, **values):
        (self.project / ".env").write_text("".join(f"{k}='{v}'\n" for k, v in values.items()))

    def write_zip(self, prefix=""):
        with zipfile.ZipFile(self.remote, "w") as archive:
            archive.writestr(f"{prefix}tiny-voxceleb/tiny_meta.csv", "id,idx\n")
            archive.writestr(f"{prefix}tiny-voxceleb/train/id1/v/1.wav", b"audio" * 1000)
            archive.writestr(f"{prefix}tiny-voxceleb-shards/train/shard-000000.tar", b"tar")

    def __call__(self, **env):
        self.log.write_text("")
        user = dict.fromkeys(("SCIENCE_USERNAME", "DATA_FOLDER", "DATA_REMOTE"))
        fake = {"PATH": self.bin, "REMOTE": self.remote, "LOG": self.log}
        return run([self.script], **{**user, **fake, **env})

    def listing(self):
        return sorted(path.name for path in self.data.iterdir())


@pytest.fixture
def download(tmp_path):
    return Download(tmp_path)


@pytest.mark.parametrize("prefix", ["", "data/"])
def test_download_unpacks_once(download, prefix):
    download.write_zip(prefix)
    result = download()
    assert result.returncode == 0, result.stderr
    arguments = download.log.read_text()
    assert "--append-verify" in arguments and " me@" in arguments and "data.zip" in arguments
    assert download.listing() == ["data.zip", "tiny-voxceleb", "tiny-voxceleb-shards"]
    assert (download.data / "tiny-voxceleb/train/id1/v/1.wav").read_bytes() == b"audio" * 1000

    result = download()
    assert result.returncode == 0 and "already" in result.stdout
    assert download.log.read_text() == ""


def test_environment_goes_before_env_file(download):
    download.write_zip()
    other = download.folder / "other"
    result = download(DATA_FOLDER=other, SCIENCE_USERNAME="you", DATA_REMOTE="host:a.zip")
    assert result.returncode == 0, result.stderr
    assert " you@host:a.zip " in download.log.read_text()
    assert (other / "tiny-voxceleb").is_dir() and not download.data.exists()


def test_broken_download_leaves_only_the_part_to_resume(download):
    download.write_zip()
    download.set_rsync('head -c 50 "$REMOTE" >"$target"; echo "connection lost" >&2; exit 12')
    result = download()
    assert result.returncode == 1 and "connection lost" in result.stderr
    assert download.listing() == ["data.zip.part"]

    download.set_rsync('[ -s "$target" ]; cp "$REMOTE" "$target"')
    assert download().returncode == 0
    assert download.listing() == ["data.zip", "tiny-voxceleb", "tiny-voxceleb-shards"]


def test_killed_unpacking_leaves_no_data_folder(download):
    download.write_zip()
    unzip = (download.bin / "unzip").rename(download.bin / "real-unzip")
    write_script(
        download.bin / "unzip",
        '#!/usr/bin/env bash\nmkdir -p "${!#}/tiny-voxceleb"\nkill -9 $PPID\n',
    )
    assert download().returncode == -9
    assert not (download.data / "tiny-voxceleb").exists()
    (download.data / ".data.zip.unpacked" / "tiny-voxceleb" / "stale").touch()

    unzip.rename(download.bin / "unzip")
    assert download().returncode == 0
    assert download.log.read_text() == ""  # data.zip itself was complete
    assert download.listing() == ["data.zip", "tiny-voxceleb", "tiny-voxceleb-shards"]
    assert not (download.data / "tiny-voxceleb" / "stale").exists()


def test_damaged_zip_leaves_nothing_unpacked(download):
    download.write_zip()
    download.remote.write_bytes(download.remote.read_bytes()[:-200])
    result = download()
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith(f"error: {download.data}/data.zip cannot be")
    assert download.listing() == ["data.zip"]


def test_wrong_zip_is_one_line(download):
    with zipfile.ZipFile(download.remote, "w") as archive:
        archive.writestr("holiday.jpg", b"")
    assert_one_line_error(download(), "no folder tiny-voxceleb", "holiday.jpg")
    assert download.listing() == ["data.zip"]


def test_no_env_file_is_one_line(download):
    (download.project / ".env").unlink()
    assert_one_line_error(download(), "DATA_FOLDER", ".env.example")


@pytest.mark.parametrize("missing", ["SCIENCE_USERNAME", "DATA_FOLDER"])
def test_missing_variable_is_one_line(download, missing):
    values = {"SCIENCE_USERNAME": "me", "DATA_FOLDER": download.data, missing: ""}
    download.set_env(**values)
    assert_one_line_error(download(), missing, ".env.example")


@pytest.mark.parametrize("tool", ["rsync", "unzip"])
def test_missing_tool_is_one_line(download, tool):
    (download.bin / tool).unlink()
    assert_one_line_error(download(), f"{tool} is missing")


def test_data_folder_that_cannot_be_made_is_one_line(download):
    download.data.touch()
    assert_one_line_error(download(), str(download.data), "DATA_FOLDER")
