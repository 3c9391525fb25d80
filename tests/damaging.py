"""What happens to files on disks and on the way, and how readers of damaged ones are watched.

Each test throws, of every kind of file, as many as THROWN tells, dealt among the damages. They
follow from a seed; DAMAGE_SEED=15 in the environment tries others.
"""

import contextlib
import os
import random
import resource
import signal
import time

from local.errors import RecipeError

SEED = int(os.environ.get("DAMAGE_SEED", 14))
THROWN = {
    **{"trial list": 345, "score list": 345, "speaker table": 300, "decision": 150},
    **{"wav shard": 350, "flac shard": 350, "packed shard": 100, "shard index": 150},
    **{"manifest": 100, "embeddings": 150, "embedding cache": 60},
}
MOST_SECONDS, MOST_MEMORY, LONGEST_MESSAGE = 2, 500 * 10**6, 1500
HANGS = 30  # seconds of the clock, of which a busy machine may give less than 2 to the test


def truncated(rng, data):
    return data[: rng.randrange(len(data))]


def bytes_changed(rng, data):
    data = bytearray(data)
    for _ in range(rng.randrange(1, 9)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def bits_flipped(rng, data):
    data = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def zeros(rng, data):
    start = rng.randrange(len(data))
    return data[:start] + bytes(rng.randrange(1, 4096)) + data[start + 512 :]


def a_hole(rng, data):
    """A piece that was never written, as a sparse or interrupted copy has it."""
    start, size = rng.randrange(len(data)), rng.choice([1, 512, 4096])
    return data[:start] + bytes(size) + data[start + size :]


def something_else(rng, data):
    others = [b"", b"\0" * 5000, b"<html>sign in</html>", b"{}", b"null", b"\n", b"\xff\xfe"]
    return rng.choice(
        [*others, rng.randbytes(3000), data[::-1], data + data, data[1:], b"[" * 9999]
    )


BYTES = (truncated, bytes_changed, bits_flipped, zeros, a_hole, something_else)

ODD_VALUES = (
    *(None, True, -1, 0.5, 10**400, float("nan"), float("inf"), 2**63, 2**31, 1e308),
    *("", "1", "nan", "\ud800", "a\nb", "a\0", "/", "../x", "x" * 10**5, "a/b", "\x1b[2J"),
    *([], {}, [[]], {"a": None}, [None] * 3, ["1"], [float("nan")]),
)


def odd_value(rng, values):
    """Change, add or take away something of what JSON holds, at any depth."""
    if not values:
        return
    keys = sorted(values) if isinstance(values, dict) else range(len(values))
    key = rng.choice(keys)
    if isinstance(values[key], dict | list) and values[key] and rng.random() < 0.6:
        odd_value(rng, values[key])
    elif rng.random() < 0.2:
        del values[key]
    else:
        values[key] = rng.choice(ODD_VALUES)


def rounds(kind, damage, damages):
    """A random generator for each file of a kind that gets this one of several damages."""
    for number in range(-(-THROWN[kind] // len(damages))):
        yield random.Random(f"{SEED} {kind} {damage.__name__} {number}")


@contextlib.contextmanager
def watched(path):
    """Reading in this block ends in time, within memory, and fails in one line that names the file.

    Yields a list, to which the error is added.
    """
    errors, start = [], time.process_time()
    before, hard = resource.getrlimit(resource.RLIMIT_DATA)
    with open("/proc/self/status") as status:
        used = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmData"))
    resource.setrlimit(resource.RLIMIT_DATA, (used + MOST_MEMORY, hard))
    handler = signal.signal(signal.SIGALRM, _hangs)
    signal.setitimer(signal.ITIMER_REAL, HANGS)
    try:
        yield errors
    except RecipeError as error:
        errors.append(error)
        check_message(str(error), path)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        resource.setrlimit(resource.RLIMIT_DATA, (before, hard))
    assert time.process_time() - start < MOST_SECONDS


def _hangs(*_):
    raise AssertionError(f"nothing for {HANGS} s")


def check_message(message, path):
    """One line, no longer than a screen, that names the file and moves no cursor."""
    assert message.isprintable() and len(message) <= LONGEST_MESSAGE, message[:3000]
    assert str(path) in message, message


def read_watched(read, path, *args):
    """What is read, None for an error."""
    with watched(path):
        return read(path, *args)
