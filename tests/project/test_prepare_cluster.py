"""What a student calls on a login node, with stand-ins for Python and sbatch."""

import shutil

import pytest

from conftest import ROOT
from stand_ins import VERSIONS, Setup, assert_one_line_error, run, write_script

LINKS = {"venv": "venv", "data": "data", "recipes/TinyVoxCeleb/results": "results"}


class Login(Setup):
    """A copy of the project and a scratch disk."""

    def __init__(self, folder):
        super().__init__(folder)
        self.scratch = folder / "my scratch"
        (self.project / "recipes/TinyVoxCeleb").mkdir(parents=True)
        shutil.copytree(ROOT / "cluster", self.project / "cluster")
        self.script = shutil.copy(ROOT / "scripts/prepare_cluster.sh", self.project / "scripts")
        self.set_env(SCRATCH_FOLDER=self.scratch)

    def set_env(self, **values):
        text = "".join(f"{key}='{value}'\n" for key, value in values.items())
        (self.project / ".env").write_text(text)

    def environment(self, **env):
        empty = dict.fromkeys(("VENV_DIR", "DATA_FOLDER", "SCRATCH_FOLDER"))
        return super().environment(**{**empty, **env})

    def links(self):
        return {link: (self.project / link).resolve() for link in LINKS}


@pytest.fixture
def login(tmp_path):
    return Login(tmp_path)


def test_environment_and_links_are_on_the_scratch_disk(login):
    lines, installed = login.ok()
    assert VERSIONS in lines
    assert "scripts/download_data.sh" in lines[-1]
    assert installed == ["requirements_cpu.txt"]
    assert (login.scratch / "venv/pyvenv.cfg").exists()
    assert login.links() == {link: login.scratch / folder for link, folder in LINKS.items()}
    # Again: nothing is left to do, also where .env names the link.
    (login.project / "data/tiny-voxceleb-shards").mkdir()
    login.set_env(SCRATCH_FOLDER=login.scratch, DATA_FOLDER="data")
    assert login.ok()[1] == []
    assert login.links() == {link: login.scratch / folder for link, folder in LINKS.items()}


def test_data_and_environment_that_are_elsewhere_are_linked(login, tmp_path):
    elsewhere = {"DATA_FOLDER": tmp_path / "course", "VENV_DIR": tmp_path / "fast" / "venv"}
    login.set_env(SCRATCH_FOLDER=login.scratch, **elsewhere)
    for _ in range(2):
        login.ok()
        assert login.links()["data"] == tmp_path / "course"
        assert login.links()["venv"] == tmp_path / "fast" / "venv"


def test_what_the_environment_says_goes_before_env(login, tmp_path):
    login.ok(SCRATCH_FOLDER=tmp_path / "other")
    assert login.links()["venv"] == tmp_path / "other/venv"
    assert not login.scratch.exists()


@pytest.mark.parametrize("link", LINKS)
def test_nothing_that_exists_is_touched(login, link):
    own = login.project / link / "thesis.tex"
    own.parent.mkdir()
    own.touch()
    assert_one_line_error(login()[0], link, str(login.scratch / LINKS[link]), "move")
    assert own.exists()
    assert not login.scratch.exists()


def test_a_link_to_elsewhere_is_one_line(login, tmp_path):
    (login.project / "venv").symlink_to(tmp_path)
    assert_one_line_error(login()[0], f"venv is a link to {tmp_path}", "remove the link")


def test_a_scratch_folder_is_needed(login):
    shutil.copy(ROOT / ".env.example", login.project / ".env")
    assert_one_line_error(login()[0], "SCRATCH_FOLDER", ".env.example")
    login.set_env(SCRATCH_FOLDER="scratch")
    assert_one_line_error(login()[0], "SCRATCH_FOLDER", "absolute")


def test_a_scratch_folder_that_cannot_be_made_is_one_line(login):
    login.scratch.touch()
    assert_one_line_error(login()[0], "SCRATCH_FOLDER", ".env")


def test_submit_takes_the_account_from_env(login):
    write_script(
        login.bin / "sbatch",
        '#!/bin/sh\necho "$PWD|$SBATCH_ACCOUNT|${SBATCH_PARTITION-none}|$SBATCH_QOS|$*"\n',
    )
    login.set_env(SBATCH_ACCOUNT="course", SBATCH_PARTITION="", SBATCH_QOS="long")
    command = [login.project / "cluster/submit.sh", "--time=1", "cluster/train.sbatch", "a b"]
    result = run(command, **login.environment(SBATCH_QOS="short"))
    assert result.stdout == f"{login.project}|course|none|short|--time=1 cluster/train.sbatch a b\n"


def test_submit_without_slurm_is_one_line(login):
    for tool in ("bash", "dirname", "env"):
        (login.bin / tool).symlink_to(shutil.which(tool))
    result = run([login.project / "cluster/submit.sh"], **login.environment(PATH=login.bin))
    assert_one_line_error(result, "no sbatch", "login node")
