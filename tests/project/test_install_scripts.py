"""The scripts that install what some tests need, with a stand-in for apt-get."""

import os
import shutil
import subprocess

import pytest

from conftest import ROOT

# Of each script: what it says where it cannot, its packages, and what tells that they are there.
SCRIPTS = {
    "install_chromium.sh": ("No Chromium", "chromium", ("google-chrome",)),
    "install_slurm.sh": (
        "No SLURM",
        "slurm-wlm munge",
        ("munged", "slurmctld", "slurmd", "sbatch"),
    ),
}


@pytest.fixture(params=SCRIPTS)
def script(request):
    return request.param


@pytest.fixture
def install(script, tmp_path):
    """Run the script among stand-ins; returns what it says and apt-get's calls."""

    def command(name, text):
        path = tmp_path / name
        path.write_text(f"#!{shutil.which('bash')}\n{text}\n")
        path.chmod(0o755)

    def run(*, user=0, lists="Candidate: 1.0", fails="never", apt_get=True, others=()):
        for name in ("bash", "timeout"):
            os.symlink(shutil.which(name), tmp_path / name)
        command("id", f"echo {user}")
        command("apt-cache", f"echo '{lists}'")
        options = "-qq -o DPkg::Lock::Timeout=20 -o Acquire::Retries=1 "
        if apt_get:
            command(
                "apt-get",
                f'call="$*"; echo "${{call#{options}}}" >>"{tmp_path}/log"; '
                f'[[ "$call" != *{fails}* ]]',
            )
        for name in others:
            command(name, "true")
        result = subprocess.run(
            [shutil.which("bash"), ROOT / "scripts" / script],
            env={"PATH": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=20,
        )
        assert result.returncode == 0  # whatever happens
        assert result.stderr in ("", f"Installing {SCRIPTS[script][1]} ...\n")
        log = tmp_path / "log"
        calls = log.read_text().splitlines() if log.exists() else []
        return result.stdout, [call.replace(SCRIPTS[script][1], "PACKAGES") for call in calls]

    return run


INSTALL = "install -y --no-install-recommends PACKAGES"
DOWNLOAD = f"--download-only {INSTALL}"


def test_what_is_there_is_enough(script, install):
    assert install(others=SCRIPTS[script][2]) == ("", [])


def test_installs_as_root(install):
    assert install() == ("", [DOWNLOAD, INSTALL])


def test_fetches_the_lists_where_there_are_none(install):
    assert install(lists="Candidate: (none)")[1] == ["update", DOWNLOAD, INSTALL]


@pytest.mark.parametrize(
    "how, said",
    [
        ({"user": 1000}, "run 'apt-get install PACKAGES' as root"),
        ({"apt_get": False}, "no apt-get"),
        ({"fails": "download"}, "cannot download it"),
        ({"fails": "Retries=1\\ install"}, "cannot install it"),
    ],
)
def test_says_why_there_is_none(script, install, how, said):
    (line,) = install(**how)[0].splitlines()
    assert line.startswith(SCRIPTS[script][0])
    assert said.replace("PACKAGES", SCRIPTS[script][1]) in line
