"""What a file is that is to be a shard: told by its first bytes, whatever it is called."""

import tarfile

from local.errors import RecipeError
from local.stored import PACKED, binary_kind, text_kind

HEAD = tarfile.BLOCKSIZE  # bytes that tell what a file is
GZIP = b"\x1f\x8b"


def is_packed(head: bytes, where: str) -> bool:
    """Whether a file that begins with these bytes is an archive packed with gzip, or a plain one.

    Anything else, an empty file too, is a RecipeError; `where` is its name. A head that is too
    short to tell is taken for that of an archive, which its reader will find truncated.
    """
    if head.startswith(GZIP):
        return True
    found = None if head else "empty"
    if not _begins_an_archive(head):
        packed = (f"packed with {name}" for magic, name in PACKED.items() if head.startswith(magic))
        found = found or text_kind(head) or binary_kind(head) or next(packed, None)
        if found in (None, "a binary file"):
            found = "none, by its first bytes" if len(head) >= HEAD else None
    if found:
        raise RecipeError(
            f"{where}: expected a tar archive, plain or packed with gzip, but the file is "
            f"{found}; copy or write it again"
        )
    return False


def _begins_an_archive(head):
    """Whether there is the header of a member, or the blocks of zeros at an archive's end."""
    if len(head) < HEAD:
        return False
    try:
        tarfile.TarInfo.frombuf(head[:HEAD], "utf-8", "surrogateescape")
    except tarfile.EmptyHeaderError:
        return False
    except tarfile.EOFHeaderError:
        return True
    except tarfile.HeaderError:
        return False
    return True
