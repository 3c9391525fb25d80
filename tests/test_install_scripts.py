"""The script that installs a browser for the tests, with a stand-in for apt-get."""

import os
import shutil
import subprocess

import pytest

from conftest import ROOT

INSTALL = ["install -y --no-install-recommends chromium"]
DOWNLOAD = [f"--download-only {INSTALL[0]}"]


@pytest.fixture
def install(tmp_path):
    """Run the script among stand-ins; returns what it says and apt-get's calls."""

    def command(name, text):
        path = tmp_path / name
        path.write_text(f"#!{shutil.which('bash')}\n{text}\n")
        path.chmod(0o755)

    def run(*, user=0, lists="Candidate: 1.0", fails="never", **others):
        for name in ("bash", "timeout"):
            os.symlink(shutil.which(name), tmp_path / name)
        command("id", f"echo {user}")
        command("apt-cache", f"echo '{lists}'")
        options = "-qq -o DPkg::Lock::Timeout=20 -o Acquire::Retries=1 "
        command(
            "apt-get",
            f'call="$*"; echo "${{call#{options}}}" >>"{tmp_path}/log"; [[ "$call" != *{fails}* ]]',
        )
        for name, text in others.items():
            if text is None:
                (tmp_path / name.replace("_", "-")).unlink()
            else:
                command(name.replace("_", "-"), text)
        script = ROOT / "scripts/install_chromium.sh"
        result = subprocess.run(
            [shutil.which("bash"), script],
            env={"PATH": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=20,
        )
        assert (result.returncode, result.stderr) == (0, "")  # whatever happens
        log = tmp_path / "log"
        return result.stdout, log.read_text().splitlines() if log.exists() else []

    return run


def test_a_browser_that_is_there_is_enough(install):
    assert install(google_chrome="true") == ("", [])


def test_installs_as_root(install):
    said, calls = install()
    assert said == "Installing Chromium ...\n"
    assert calls == DOWNLOAD + INSTALL


def test_fetches_the_lists_where_there_are_none(install):
    assert install(lists="Candidate: (none)")[1] == ["update", *DOWNLOAD, *INSTALL]


@pytest.mark.parametrize(
    "how, said",
    [
        ({"user": 1000}, "run 'apt-get install chromium' as root"),
        ({"apt_get": None}, "no apt-get"),
        ({"fails": "download"}, "cannot download it"),
        ({"fails": "Retries=1\\ install"}, "cannot install it"),
    ],
)
def test_says_why_there_is_none(install, how, said):
    assert said in install(**how)[0].splitlines()[-1]
