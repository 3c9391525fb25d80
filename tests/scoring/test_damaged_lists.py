"""Damaged trial and score lists: a correct reading or one line that says what is wrong, at once."""

import random
import time

import numpy as np
import pytest

from local.errors import RecipeError
from local.scoring.score_list import check_scores, read_scores, scores_of
from local.scoring.trials import read_trials

SEED, ROUNDS = 14, 37  # of each kind of damage, for each kind of list
MOST_SECONDS = 2
NAMES = [f"{speaker}/x-_{u}/{u:05d}" for speaker in ("id1", "Jürgen", "id3") for u in range(8)]
ENCODINGS = ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "utf-7", "cp500")


def make_lines(rng, kind):
    """Trials or scored trials, in one of the forms that are read."""
    pairs = [rng.sample(NAMES, 2) for _ in range(rng.randrange(2, 60))]
    if kind == "scores":
        return [f"{rng.random()} {a} {b}" for a, b in pairs]
    labels = [int(a.split("/")[0] == b.split("/")[0]) for a, b in pairs]
    form = rng.choice(["{0} {1}.wav {2}.wav", "{1} {2} {3}", "{0},{1},{2}", "{1}\t{2}\t{0}"])
    words = ("nontarget", "target")
    return [form.format(x, *pair, words[x]) for x, pair in zip(labels, pairs, strict=True)]


def truncated(rng, lines, data):
    return data[: rng.randrange(len(data))]


def bytes_changed(rng, lines, data):
    data = bytearray(data)
    for _ in range(rng.randrange(1, 9)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)


def bits_flipped(rng, lines, data):
    data = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def zeros(rng, lines, data):
    start = rng.randrange(len(data))
    return data[:start] + bytes(rng.randrange(1, 4096)) + data[start + 512 :]


def lines_doubled(rng, lines, data):
    lines = [line for line in lines for _ in range(rng.choice([1, 1, 1, 2, 3]))]
    return "\n".join(lines).encode()


def fields_swapped(rng, lines, data):
    for row in rng.sample(range(len(lines)), rng.randrange(1, len(lines))):
        fields = lines[row].split()
        rng.shuffle(fields)
        lines[row] = " ".join(fields)
    return "\n".join(lines).encode()


def fields_lost(rng, lines, data):
    row = rng.randrange(len(lines))
    fields = lines[row].split()
    fields[rng.randrange(len(fields))] = rng.choice(["", "nan", "1e999", "0x1", "²", "\ufeff", "-"])
    lines[row] = " ".join(fields)
    return "\n".join(lines).encode()


def other_encoding(rng, lines, data):
    return data.decode().encode(rng.choice(ENCODINGS), "replace")


def other_ends(rng, lines, data):
    return data.replace(b"\n", rng.choice([b"\r\n", b"\r", b"\n\n", b" \n\t\n", b"\x0b", b"\x85"]))


def huge_line(rng, lines, data):
    filler = rng.choice([b"x", b" ", b"1 ", b",", b"/", b"\xff", b"\0", b"\\", b'"', b"a/"])
    start = rng.randrange(len(data))
    return data[:start] + filler * 3_000_000 + data[start:]


DAMAGE = [
    *(truncated, bytes_changed, bits_flipped, zeros, lines_doubled),
    *(fields_swapped, fields_lost, other_encoding, other_ends, huge_line),
]


def in_time(read, *args):
    """What is read, None for an error that is one line and no more than a screen long."""
    start = time.process_time()
    try:
        found = read(*args)
    except RecipeError as error:
        found = None
        assert len(str(error).splitlines()) == 1 and len(str(error)) < 1500, str(error)[:3000]
        assert str(args[0]) in str(error)
    assert time.process_time() - start < MOST_SECONDS
    return found


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_trial_lists(tmp_path, damage):
    rng, path, read = random.Random(f"{SEED} {damage.__name__}"), tmp_path / "trials.txt", 0
    for _ in range(ROUNDS if damage is not huge_line else ROUNDS // 3):
        lines = make_lines(rng, "trials")
        path.write_bytes(damage(rng, lines, "".join(f"{line}\n" for line in lines).encode()))
        trials = in_time(read_trials, path)
        if trials is not None:
            read += 1
            assert len(trials) == len(trials.enrol) == len(trials.test) > 0
            assert set(trials.labels.tolist()) <= {-1, 0, 1}
            names = "".join(trials.enrol + trials.test)
            assert not any(name.split() != [name] for name in trials.enrol) and "\0" not in names
            sides = trials.speakers() or ([], [])
            for label, *pair in zip(trials.labels.tolist(), *sides, strict=bool(sides[0])):
                assert label < 0 or label == (pair[0] == pair[1])
    if damage in (lines_doubled,):
        assert read == ROUNDS


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_score_lists(tmp_path, damage):
    rng, path = random.Random(f"{SEED} {damage.__name__}"), tmp_path / "scores.txt"
    for _ in range(ROUNDS if damage is not huge_line else ROUNDS // 3):
        lines = make_lines(rng, "scores")
        whole = [line.split() for line in lines]
        wanted = tmp_path / "trials.txt"
        wanted.write_text("".join(f"-1 {first} {second}\n" for _, first, second in whole))
        trials = read_trials(wanted)
        path.write_bytes(damage(rng, lines, "".join(f"{line}\n" for line in lines).encode()))
        found = in_time(read_scores, path)
        if found is not None:
            assert np.isfinite(found[0]).all() and len(set(map(len, found))) == 1
        scores = in_time(scores_of, path, [trials])
        mistakes = in_time(check_scores, path, [trials])
        if scores is not None:
            assert len(scores[0]) == len(trials)
        if mistakes == {}:
            assert scores is not None
            assert found[1:] == trials.pairs() and ((scores[0] >= 0) & (scores[0] <= 1)).all()
        text = "".join(example for _, some in (mistakes or {}).values() for example in some)
        assert len(text) < 10_000 and "\n" not in text
