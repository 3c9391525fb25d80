"""From an audio tree to shards, byte-identical for equal input."""

import contextlib
import io
import json
import re
import sys
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
from tqdm import tqdm

from local.corpora.audio_files import find_audio, ignored_line
from local.corpora.listening import Listener
from local.errors import RecipeError, write_errors
from local.files import atomic_folder
from local.layout import SAMPLE_RATE
from local.metadata import read_classes
from local.shards.apart import check_apart, same_audio
from local.shards.checking import Findings, read_recordings, report_faults
from local.shards.complete import DIGEST, ManifestEntry, write_manifest
from local.shards.headers import AUDIO_TYPES
from local.shards.index import index_shards
from local.shards.sources import list_shards

SPLITS = ("train", "val", "dev", "eval")
LABELLED = ("train", "val")  # with the speaker's class
UNREADABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")  # in ids
AT_ONCE = 1 << 26  # bytes of a file that are written at once at the most


def write_shards(
    tree: str | Path,
    meta: str | Path,
    out: str | Path,
    size: int = 5000,
    seed: int = 123,
    check: bool = True,
    allow_shared_ids: bool = False,
) -> None:
    """Write the shards of every split that an audio tree has; splits already written are kept.

    The tree holds train/, val/, dev/ and eval/, or some of them; `meta` is its tiny_meta.csv, with
    at least the columns id and idx. `out` gets one folder a split with `size` samples a shard,
    drawn in the order of `seed`. Equal input gives equal bytes. Every file is decoded, once, and
    the splits appear when all of them are good; without `check`, only headers are read. The same
    audio in two splits or under two speakers is a warning, as is what is silent, clipped, short or
    without speech; audio beyond full scale is scaled to it.

    Raises
    ------
    RecipeError
        No split in the tree; audio that is unreadable, truncated, empty, not mono, not at 16 kHz
        or not finite, or has the scale of integers: all such files at once; a training speaker that
        the metadata does not know; two files with the same id; dev speakers in other splits, or
        utterances in two, which `allow_shared_ids` makes a warning.
    """
    tree, out = Path(tree), Path(out)
    splits = [split for split in SPLITS if (tree / split).is_dir()]
    if not splits:
        raise RecipeError(
            f"{tree}: no audio tree here: expected at least one of the folders {', '.join(SPLITS)}"
        )
    if size < 1:
        raise RecipeError(f"--size is {size}: expected at least one sample a shard")
    classes = read_classes(meta)
    with Listener() as listener:
        findings, faults = Findings(listener), []
        with contextlib.ExitStack() as stack:
            folders = {split: atomic_folder(out / split, keep=True) for split in splits}
            folders = {split: stack.enter_context(folder) for split, folder in folders.items()}
            kept = [split for split, folder in folders.items() if folder is None]
            if kept:
                there = ", ".join(kept)
                print(f"shards are there already: {there} in {out} (remove them to write anew)")
            if kept == splits:
                for split in kept:  # none is missing; what they hold, a training checks
                    list_shards(out / split)
                return
            indexes = {split: index_shards(out / split) for split in kept}
            audio = {split: (index.sample_ids, index.digests) for split, index in indexes.items()}
            ids = {split: [s.sample_id for s in index] for split, index in indexes.items()}
            files = {split: _audio_files(tree, split) for split in splits if split not in kept}
            _check_classes(files, classes)
            ids |= {split: list(map(_sample_id, paths)) for split, paths in files.items()}
            shared = check_apart(ids, allow_shared_ids)
            for split, paths in files.items():
                np.random.default_rng(seed=seed).shuffle(paths)
                with write_errors(out / split):
                    arguments = folders[split], split, paths, classes, size, check, findings
                    digests, wrong = _write_split(*arguments)
                audio[split] = np.array([_sample_id(path).encode() for path in paths]), digests
                faults += wrong
            report_faults(faults, sum(map(len, files.values())))
        for told in filter(None, (shared, same_audio(audio))):
            print(f"warning: {told}", file=sys.stderr)
        for line in findings.lines():
            print(line, file=sys.stderr)


def _check_classes(files, classes):
    paths = (path for split in LABELLED for path in files.get(split, []))
    unknown = {path.parts[-3]: path for path in paths if path.parts[-3] not in classes}
    for speaker, path in unknown.items():
        more = f", as {len(unknown) - 1} others" if len(unknown) > 1 else ""
        raise RecipeError(
            f"{path}: speaker {speaker} has no class index in tiny_meta.csv{more}: expected a row "
            "with this id and its idx"
        )


def _write_split(folder, split, paths, classes, size, check, findings):
    """Write the shards of a split.

    Returns the digests of the audio, and the files that are wrong, with what is wrong.
    """
    count = -(-len(paths) // size)
    width = max(4, len(str(size - 1)))
    digests = np.zeros((len(paths), DIGEST), np.uint8)  # they stay so where nothing is decoded
    speakers, frames, entries, faults = set(), 0, [], []
    progress = tqdm(total=len(paths), desc=f"{split} shards", unit="utt", dynamic_ncols=True)
    recordings = read_recordings(paths, check)
    for number in range(count):
        chunk = paths[number * size : (number + 1) * size]
        short = count > 1 and len(chunk) < size
        name = f"shard-{number:06d}{'.partial' if short else ''}.tar"
        # PAX knows ids of any length and alphabet. A file is written at once: threads that decode
        # take the interpreter's lock at each write.
        options = {"format": tarfile.PAX_FORMAT, "copybufsize": AT_ONCE}
        with tarfile.open(folder / name, "w", **options) as archive:
            for place, path in enumerate(chunk):
                recording = next(recordings)
                progress.update()
                if recording.fault:
                    faults.append((path, recording.fault))
                    continue
                sample = _describe(path, split, recording.num_frames, classes)
                key = f"{place:0{width}d}/{sample['sample_id']}"
                _add(archive, f"{key}{path.suffix.lower()}", recording.encoded)
                _add(archive, f"{key}.json", json.dumps(sample).encode())
                if check:
                    findings.add(path, recording, split, sample)
                    row = number * size + place
                    digests[row] = np.frombuffer(recording.digest, np.uint8, DIGEST)
                speakers.add(sample["speaker_id"])
                frames += sample["num_frames"]
        rows = digests[number * size : (number + 1) * size]
        entries.append(ManifestEntry(name, len(chunk), digests=rows if check else None))
    progress.close()
    if not faults:
        write_manifest(folder, entries)
        who = "unnamed" if split == "eval" else f"{len(speakers)}"
        hours = frames / SAMPLE_RATE / 3600
        print(f"{split}: {len(paths)} utterances, {hours:.2f} h, {who} speakers")
    return digests, faults


def _add(archive, name, content):
    """Add a file whose header tells no clock and no user, so that archives are reproducible."""
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.uname, member.gname = len(content), 0o644, "root", "root"
    archive.addfile(member, io.BytesIO(content))


def _audio_files(tree, split):
    """The audio files of a split, sorted by sample id."""
    by_id, ignored = {}, Counter()
    extensions = {f".{name}" for name in AUDIO_TYPES}
    for path in sorted(find_audio(tree / split, extensions, ignored, repeated=True)):
        parts = path.relative_to(tree).with_suffix("").parts
        if len(parts) < (3 if split == "eval" else 4):
            raise RecipeError(
                f"{path}: expected {split}/<speaker>/<session>/<utterance>{path.suffix}"
            )
        sample_id = _sample_id(path)
        if UNREADABLE.search(sample_id):
            raise RecipeError(
                f"{path}: a name with line breaks, control characters or bytes that are not UTF-8, "
                "which no list can hold: rename it"
            )
        if sample_id in by_id:
            raise RecipeError(
                f"{path} and {by_id[sample_id]} have the same id {sample_id}: remove one of them"
            )
        by_id[sample_id] = path
    if ignored:
        print(f"{tree / split}: {ignored_line(ignored)}")
    if not by_id:
        raise RecipeError(f"{tree / split}: no {' or '.join(AUDIO_TYPES)} file in this folder")
    return [by_id[sample_id] for sample_id in sorted(by_id)]


def _sample_id(path):
    return "/".join(path.with_suffix("").parts[-3:])


def _describe(path, split, num_frames, classes):
    sample_id = _sample_id(path)
    speaker, session, utterance = sample_id.split("/")
    return {
        "sample_id": sample_id,
        "speaker_id": speaker,
        "youtube_id": session,
        "utterance_id": utterance,
        "num_frames": num_frames,
        "sampling_rate": SAMPLE_RATE,
        "class_idx": classes[speaker] if split in LABELLED else None,
    }
