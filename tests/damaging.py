"""What happens to files on disks and on the way, and how readers of damaged ones are watched.

Each test with `thrown` gets, of every kind of file, as many as THROWN tells, dealt among the
damages. They follow from a seed; DAMAGE_SEED=15 in the environment tries others.
"""

import contextlib
import io
import json
import os
import random
import re
import resource
import signal
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from local.errors import RecipeError

SEED = int(os.environ.get("DAMAGE_SEED", 14))
THROWN = {
    **{"trial list": 345, "score list": 345, "speaker table": 300},
    **{"wav shard": 350, "flac shard": 350, "packed shard": 100, "shard index": 150},
    **{"manifest": 100, "embeddings": 150, "embedding cache": 60},
    **{"plain decision": 75, "decision with measures": 75},
    **{"note of a copy": 100, "note of the folder": 100},
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


ENCODINGS = ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "utf-7", "cp500")


def lines_doubled(rng, data):
    lines = [line for line in data.splitlines() for _ in range(rng.choice([1, 1, 1, 2, 3]))]
    return b"\n".join(lines)


def fields_swapped(rng, data):
    lines = data.decode().splitlines()
    for row in rng.sample(range(len(lines)), rng.randrange(1, len(lines))):
        fields, ends = re.split(r"[\s,]", lines[row]), re.search(r"[\s,]|$", lines[row])[0]
        rng.shuffle(fields)
        lines[row] = ends.join(fields)
    return "\n".join(lines).encode()


def fields_lost(rng, data):
    lines = data.decode().splitlines()
    row = rng.randrange(len(lines))
    fields = re.split(r"([\s,])", lines[row])
    odd = ["", "nan", "1e999", "0x1", "²", "\ufeff", "-", '"', "9" * 5000, "1e400", "-1", "\x1b[2J"]
    fields[rng.randrange(0, len(fields), 2)] = rng.choice(odd)
    lines[row] = "".join(fields)
    return "\n".join(lines).encode()


def other_encoding(rng, data):
    return data.decode().encode(rng.choice(ENCODINGS), "replace")


def other_ends(rng, data):
    return data.replace(b"\n", rng.choice([b"\r\n", b"\r", b"\n\n", b" \n\t\n", b"\x0b", b"\x85"]))


def huge_line(rng, data):
    filler = rng.choice([b"x", b" ", b"1 ", b",", b"/", b"\xff", b"\0", b"\\", b'"', b"a/"])
    start = rng.randrange(len(data))
    return data[:start] + filler * 3_000_000 + data[start:]


LINES = (
    *(*BYTES, lines_doubled, fields_swapped, fields_lost, other_encoding, other_ends),
    huge_line,
)


def huge_shape(rng, data):
    """An array of an npz is said to have more than there is, and the checksum is right."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w") as new:
        chosen = rng.choice(old.namelist())
        for name in old.namelist():
            content = old.read(name)
            if name == chosen:
                shape = rng.choice([b"(9999999999,)", b"(10**9,)", b"(-1,)", b"(2,)", b"(1, 2, 3)"])
                content = re.sub(rb"\([\d, ]*\), }", shape + b", }", content, count=1)
            new.writestr(name, content)
    return file.getvalue()


def other_arrays(rng, data):
    """An array of an npz has another shape or kind, or is missing; the rest is as it was."""
    with np.load(io.BytesIO(data)) as archive:
        arrays = dict(archive)
    name = rng.choice(sorted(arrays))
    odd = [np.zeros(3), np.zeros((7, 2), np.int64), np.array("[]"), np.array("{}"), np.zeros(0)]
    odd += [arrays[name][..., None], np.array(["x"] * 7), np.array(json.dumps({"shards": [[]]}))]
    odd += [np.array(json.dumps({"shards": [{"path": [], "sha256": {}}]})), np.array("[" * 9999)]
    if rng.random() < 0.2:
        del arrays[name]
    else:
        arrays[name] = rng.choice(odd)
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


ARRAYS = (*BYTES, huge_shape, other_arrays)

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


def json_of_odd_values(rng, data):
    values = json.loads(data)
    for _ in range(rng.choice([1, 1, 2])):
        odd_value(rng, values)
    return json.dumps(values).encode()


def json_too_deep_or_long(rng, data):
    deep = b"[" * 100_000
    odd = [deep, deep + b"]" * 100_000, b'{"a":' * 50_000, data.rstrip()[:-1] + b', "a": ' + deep]
    odd += [data + b" " * 3_000_000, re.sub(rb"\d+", b"9" * 5000, data, count=1), b"1" * 10_000]
    return rng.choice(odd)


JSONS = (*BYTES, json_of_odd_values, json_too_deep_or_long)


@dataclass(frozen=True)
class Rounds:
    """A random generator for each file of a kind that gets this one of several damages."""

    kind: str
    damage: Callable
    count: int

    def __iter__(self):
        for number in range(self.count):
            yield random.Random(f"{SEED} {self.kind} {self.damage.__name__} {number}")


def thrown(damages, *kinds):
    """Parametrise a test by the `rounds` of each damage for each of some kinds of file."""
    rounds = [
        Rounds(kind, damage, -(-THROWN[kind] // len(damages)))
        for kind in kinds
        for damage in damages
    ]
    ids = [f"{of.kind}-{of.damage.__name__}" for of in rounds]
    return pytest.mark.parametrize("rounds", rounds, ids=ids)


def rounds_of(test):
    """The rounds by which a test is parametrised."""
    for mark in getattr(test, "pytestmark", []):
        if mark.args[:1] == ("rounds",):
            yield from mark.args[1]


@contextlib.contextmanager
def watched(path, kind=RecipeError):
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
    except kind as error:
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
