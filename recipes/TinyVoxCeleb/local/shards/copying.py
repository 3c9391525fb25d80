"""Copy a shard to a disk, and make sure that the disk holds what was read."""

import errno
import hashlib
import os
import shutil
import sys
import tarfile
import zlib
from pathlib import Path

from tqdm import tqdm

from local.errors import RecipeError
from local.files import atomic_file
from local.shards.retrying import public

CHUNK = 1 << 20  # bytes


def copy_verified(source, target, progress):
    """Write what a file gives and read it back; it appears under its name only if both agree.

    Arguments
    ---------
    source : file object
        Read to its end.
    target : str or Path
    progress : callable
        Gets the number of bytes after each piece.

    Returns
    -------
    (int, str)
        Bytes copied, and their SHA-256 in hexadecimal.

    Raises
    ------
    RecipeError
        The disk is full or may not be written to; what was read back differs.
    """
    digest, size = hashlib.sha256(), 0
    try:
        with atomic_file(target, "wb") as fout:
            while chunk := source.read(CHUNK):
                fout.write(chunk)
                digest.update(chunk)
                size += len(chunk)
                progress(len(chunk))
            fout.flush()
            os.fsync(fout.fileno())
            # From the disk: not from the memory that the system keeps it in.
            os.posix_fadvise(fout.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            written = file_digest(fout.name)
            if written != digest.hexdigest():
                raise RecipeError(
                    f"{target}: the disk holds another content than was written (SHA-256 "
                    f"{written[:12]}… instead of {digest.hexdigest()[:12]}…); use another disk"
                )
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RecipeError(
                f"{target}: the disk is full after {size:,} bytes of it; make room, or choose "
                "another folder"
            ) from None
        raise RecipeError(f"{target}: cannot be written ({error.strerror or error})") from None
    return size, digest.hexdigest()


def file_digest(path):
    """The SHA-256 of a file, in hexadecimal.

    Arguments
    ---------
    path : str or Path

    Returns
    -------
    str
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_space(folder, needed):
    """Check that a disk has room, before anything is copied to it.

    Arguments
    ---------
    folder : str or Path
        It, or one above it, exists.
    needed : int
        Bytes.

    Raises
    ------
    RecipeError
    """
    place = Path(folder).absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if needed > free:
        raise RecipeError(
            f"{folder}: {needed:,} bytes are to be copied there, and {free:,} are free; make room, "
            "or choose another folder"
        )


def progress_bar(total, label):
    """A bar that counts bytes; in a log file, where it cannot move, a line now and then.

    Arguments
    ---------
    total : int or None
        Bytes to come, where that is known.
    label : str

    Returns
    -------
    tqdm.tqdm
    """
    seen = sys.stderr.isatty()
    return tqdm(
        total=total,
        desc=label,
        unit="B",
        unit_scale=True,
        leave=False,
        delay=1,  # seconds: what is done before then needs no bar
        mininterval=0.1 if seen else 30,
    )


def check_archive(copy, source):
    """Check that a copy is a whole archive, while it is known where it came from; else remove it.

    Arguments
    ---------
    copy : Path
        A tar archive, packed or not.
    source : Path or str
        For the message.

    Raises
    ------
    RecipeError
        The archive is damaged, or its end is missing.
    """
    try:
        with tarfile.open(copy, "r:*") as archive:
            for _ in archive:
                archive.members = []  # which tarfile would keep
        return
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        reason = error
    copy.unlink(missing_ok=True)
    raise RecipeError(
        f"{public(str(source))}: truncated or damaged archive ({reason}); mend it there"
    )
