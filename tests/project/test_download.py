"""scripts/download_data.sh, run on a copy of the project with a stand-in for rsync."""

import shutil
import sys
import zipfile

import pytest

from conftest import ROOT
from stand_ins import assert_one_line_error, run, write_script


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
        self.script = shutil.copy(ROOT / "scripts" / "download_data.sh", self.project / "scripts")
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
