"""The script that makes the environment, run with a stand-in for Python."""

import os
import shutil
import subprocess

import pytest

from conftest import ROOT
from stand_ins import (
    FAKE_PYTHON,
    VERSIONS,
    Setup,
    assert_one_line_error,
    run,
    write_script,
)

pytestmark = pytest.mark.long

SCRIPTS = [*sorted((ROOT / "scripts").glob("*.sh")), ROOT / "test.sh", ROOT / ".ci/run"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script_is_valid_bash_and_executable(script):
    assert run(["bash", "-n", script]).returncode == 0
    assert os.access(script, os.X_OK)


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


@pytest.mark.parametrize("quick, chosen", [((), ()), (("quick",), ("-m", "not long"))])
def test_test_sh_runs_pytest_in_the_project_with_its_arguments(setup, quick, chosen):
    script = shutil.copy(ROOT / "test.sh", setup.project)
    result = run([script, *quick, "-k", "one or two"], **setup.environment())
    assert result.returncode == 5
    arguments = ["-n", "3", "--maxschedchunk", "1", *chosen, "-k", "one or two"]
    assert result.stdout.splitlines()[-1] == f"pytest {setup.project} {arguments}"
    assert "requirements_dev.txt" in setup.log.read_text()
