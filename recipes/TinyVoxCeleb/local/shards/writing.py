"""From an audio tree to shards, byte-identical for equal input."""

import contextlib
import functools
import sys
import tarfile
from pathlib import Path

import numpy as np
from tqdm import tqdm

from local.corpora.listening import Listener
from local.corpora.quality import report_faults
from local.errors import RecipeError, write_errors
from local.files import atomic_folder
from local.layout import SAMPLE_RATE
from local.metadata import read_classes
from local.shards.apart import check_apart, shared_lines
from local.shards.checking import read_recording
from local.shards.complete import DIGEST, ManifestEntry, write_manifest
from local.shards.index import index_shards
from local.shards.listing import find_shards
from local.shards.members import add_sample
from local.shards.readers import Readers
from local.shards.record import (
    Findings,
    Record,
    check_origin,
    digest_of,
    origin_of,
    read_record,
    warnings,
    write_record,
)
from local.shards.tree import LABELLED, audio_files, check_known, find_splits, id_of

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
        utterances in two, which `allow_shared_ids` makes a warning; `out` is a link to shards
        of which some split is missing.
    """
    tree, out, meta = Path(tree), Path(out), Path(meta)
    splits = find_splits(tree)
    if out.is_symlink() and (given := [split for split in splits if (out / split).is_dir()]):
        if absent := [split for split in splits if split not in given]:
            raise RecipeError(
                f"{out}: a link to {out.resolve()}, whose shards lack {', '.join(absent)}: nothing "
                "is written among the shards of others; remove the link, or name another folder"
            )
        for split in given:
            find_shards(out / split)
        print(f"shards are there already: {', '.join(given)} in {out} (a link, left as it is)")
        return
    if size < 1:
        raise RecipeError(f"--size is {size}: expected at least one sample a shard")
    classes = read_classes(meta)
    with Listener() as listener:
        findings, faults = Findings(tree, listener), []
        with contextlib.ExitStack() as stack:
            folders = {split: atomic_folder(out / split, keep=True) for split in splits}
            folders = {split: stack.enter_context(folder) for split, folder in folders.items()}
            kept = [split for split, folder in folders.items() if folder is None]
            files = {split: audio_files(tree, split) for split in splits}
            ids = {split: [*map(id_of, paths)] for split, paths in files.items()}
            shared = check_apart(ids, allow_shared_ids)
            check_known(files, classes)
            origins, records, audio = {}, {}, {}
            for split, paths in files.items():
                origins[split] = origin_of(paths, split, classes, size=size, seed=seed)
                np.random.default_rng(seed=seed).shuffle(paths)
            for split in kept:
                records[split], audio[split] = _check_kept(
                    out / split, files[split], origins[split], tree / split, meta
                )
            if kept:
                there = ", ".join(kept)
                print(f"shards are there already: {there} in {out} (remove them to write anew)")
            if kept != splits:
                readers = stack.enter_context(
                    Readers(functools.partial(read_recording, check=check))
                )
            for split in (split for split in splits if split not in kept):
                with write_errors(out / split):
                    recordings = readers(files[split])
                    arguments = split, files[split], recordings, classes, size, check, findings
                    digests, wrong = _write_split(folders[split], *arguments)
                audio[split] = _names(files[split]), digests
                faults += wrong
            count = sum(len(files[split]) for split in splits if split not in kept)
            report_faults(faults, count, "go into shards")
            made = {split: origins[split] for split in splits if split not in kept}
            for split, record in findings.records(made, check).items():
                write_record(folders[split], record)
                records[split] = record
        audio, records = ({split: of[split] for split in splits} for of in (audio, records))
        for line in (*shared_lines(shared, audio), *warnings(tree, files, records)):
            print(line, file=sys.stderr)


def _check_kept(folder, paths, origin, source, meta):
    """What is noted of shards that are there, and their ids and digests; other's are refused."""
    shards, entries = find_shards(folder)  # none is missing; what they hold, a training checks
    record = read_record(folder)
    if record:
        check_origin(folder, record["origin"], origin, source, meta)
        known = [entries[shard].digests for shard in shards if shard in entries]
        if any(digests is None for digests in known) or sum(map(len, known)) != len(paths):
            known = [np.zeros((len(paths), DIGEST), np.uint8)]
        return record, (_names(paths), np.concatenate(known))
    index = index_shards(folder)  # the original's, or of a former version
    audio = {"utterances": len(index)}
    if set(index.sample_ids) != set(_names(paths)):
        audio["files"] = "other names"
    idx = {s.speaker_id: s.class_idx for s in index if s.class_idx is not None}
    found = {**audio, "classes": digest_of(idx)}
    check_origin(folder, found, origin, source, meta)
    nothing = Record(origin=origin, checked=False, absent="", faults={})
    return nothing, (index.sample_ids, index.digests)


def _names(paths):
    return np.array([id_of(path).encode() for path in paths])


def _write_split(folder, split, paths, recordings, classes, size, check, findings):
    """Write the shards of a split.

    Returns the digests of the audio, and the files that are wrong, with what is wrong.
    """
    count = -(-len(paths) // size)
    width = max(4, len(str(size - 1)))
    digests = np.zeros((len(paths), DIGEST), np.uint8)  # they stay so where nothing is decoded
    speakers, total, entries, faults = set(), 0, [], []
    progress = tqdm(total=len(paths), desc=f"{split} shards", unit="utt", dynamic_ncols=True)
    for number in range(count):
        chunk = paths[number * size : (number + 1) * size]
        short = count > 1 and len(chunk) < size
        name = f"shard-{number:06d}{'.partial' if short else ''}.tar"
        # PAX knows ids of any length and alphabet. A file is written at once: a thread that listens
        # takes the interpreter's lock at each write.
        options = {"format": tarfile.PAX_FORMAT, "copybufsize": AT_ONCE}
        with tarfile.open(folder / name, "w", **options) as archive:
            for place, path in enumerate(chunk):
                recording = next(recordings)
                progress.update()
                if recording.fault:
                    faults.append((path, recording.fault))
                    continue
                speaker = path.parts[-3]
                idx = classes[speaker] if split in LABELLED else None
                suffix, frames = path.suffix.lower(), recording.num_frames
                arguments = id_of(path), suffix, recording.encoded, frames, idx
                add_sample(archive, f"{place:0{width}d}", *arguments)
                if check:
                    findings.add(path, recording, "" if split == "eval" else speaker)
                    row = number * size + place
                    digests[row] = np.frombuffer(recording.digest, np.uint8, DIGEST)
                speakers.add(speaker)
                total += frames
        rows = digests[number * size : (number + 1) * size]
        entries.append(ManifestEntry(name, len(chunk), digests=rows if check else None))
    progress.close()
    if not faults:
        write_manifest(folder, entries)
        who = "unnamed" if split == "eval" else f"{len(speakers)}"
        hours = total / SAMPLE_RATE / 3600
        print(f"{split}: {len(paths)} utterances, {hours:.2f} h, {who} speakers")
    return digests, faults
