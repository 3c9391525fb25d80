"""Debian packages as a source of free recordings: fetched, unpacked, licence checked; no root."""

import email
import os
import re
import shutil
import subprocess
import textwrap
from collections.abc import Iterable
from pathlib import Path

from local.errors import RecipeError

FREE_LICENCES = ("GPL-2", "GPL-2+")
# As root, apt drops to the user _apt, who may not write where we are, and warns about it.
_DOWNLOAD = ("apt-get", "-o", "APT::Sandbox::User=root", "download")
_UPDATE = ("apt-get", "update")
_WAY_OUT = "use --corpus synthetic, or your own recordings with --corpus folder"


class PackagesUnavailable(RecipeError):  # noqa: N818 - says what is the case, as the others do
    """The packages cannot be had here: not a Debian-like system, no network, no package lists."""


def fetch_packages(names: Iterable[str], folder: str | Path) -> dict[str, str]:
    """Download Debian packages for the machine's release and unpack them into one tree.

    Where the package lists are empty or stale, they are updated first if the user may do that. The
    packages' ``usr/`` appears in the folder. Returns the version of each package.

    Raises
    ------
    PackagesUnavailable
        If apt-get or dpkg-deb is missing, or apt-get cannot fetch the packages.
    RecipeError
        If a package cannot be unpacked.
    """
    missing = [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]
    if missing:
        raise PackagesUnavailable(
            f"cannot fetch Debian packages without {' and '.join(missing)}; {_WAY_OUT}"
        )
    names, folder = list(names), Path(folder)
    print(f"fetching the Debian packages {', '.join(names)}", flush=True)
    _download(names, folder)
    versions = {}
    for name in names:
        archive = next(folder.glob(f"{name}_*.deb"))
        process = _run("dpkg-deb", "-x", str(archive), str(folder))
        if process.returncode:
            raise RecipeError(f"{archive.name}: cannot be unpacked: {_reason(process)}")
        versions[name] = _run("dpkg-deb", "-f", str(archive), "Version").stdout.strip()
        archive.unlink()
    return versions


def package_licence(copyright_file: str | Path) -> tuple[str, str]:
    """Read the short name of the licence of a package's files, and their source.

    The file is in Debian's machine-readable format, whose paragraph ``Files: *`` speaks for every
    file without a paragraph of its own.
    https://www.debian.org/doc/packaging-manuals/copyright-format/

    Raises
    ------
    RecipeError
        If the file is missing, tells no licence, or tells one that is not known to be free.

    Example
    -------
    >>> path = getfixture("tmp_path") / "copyright"
    >>> _ = path.write_text("Source: https://kde.org\\n\\nFiles: *\\nLicense: GPL-2+\\n")
    >>> package_licence(path)
    ('GPL-2+', 'https://kde.org')
    """
    path = Path(copyright_file)
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    # Paragraphs of "Field: value" with indented continuation lines, as in a mail's header.
    paragraphs = [email.message_from_string(part) for part in re.split(r"\n\s*\n", text.strip())]
    sounds = [part for part in paragraphs if "*" in part.get("Files", "").split()]
    licence = sounds[0].get("License", "").strip().partition("\n")[0] if sounds else ""
    if licence not in FREE_LICENCES:
        raise RecipeError(
            f"{path}: licence of 'Files: *' is {licence or 'not told'}: expected one of "
            f"{', '.join(FREE_LICENCES)}; {_WAY_OUT}"
        )
    return licence, paragraphs[0].get("Source", "source not told").strip()


def _download(names, folder):
    """Run apt-get download, and once more after apt-get update where that may help."""
    process = _run(*_DOWNLOAD, *names, cwd=folder)
    if process.returncode == 0:
        return
    reason = _reason(process)
    update = _update_command()
    if update:
        print(f"apt-get download: {reason}", f"running {' '.join(update)}", sep="\n", flush=True)
        updated = _run(*update)
        process = _run(*_DOWNLOAD, *names, cwd=folder)
        if process.returncode == 0:
            return
        # The update often exits with 0 although it failed; its warning tells of the network.
        reason = f"{_reason(process)}; {' '.join(update)}: {_reason(updated) or 'no output'}"
    advice = "" if update else "run 'apt-get update' as root and try again, or "
    raise PackagesUnavailable(
        f"cannot fetch the Debian packages {', '.join(names)}: {reason}; {advice}{_WAY_OUT}"
    )


def _update_command():
    """How this user may update the package lists; None if not at all."""
    if os.geteuid() == 0:
        return _UPDATE
    if shutil.which("sudo") and _run("sudo", "-n", "true").returncode == 0:
        return ("sudo", "-n", *_UPDATE)
    return None


def _run(*command, cwd=None):
    """Run a command quietly, in English; its output is kept for `_reason`."""
    return subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )


def _reason(process):
    """Why a command failed: apt's first error or warning, else the last line; short."""
    lines = process.stdout.strip().splitlines()
    said = [line for line in lines if line.startswith(("E: ", "W: "))] or lines[-1:]
    return textwrap.shorten(" ".join(said[:1]), 200)
