"""From a corpus to shards, byte-identical for equal input."""

import contextlib
import functools
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from tqdm import tqdm

from local.corpora.listening import NO_SPEECH, Listener
from local.errors import RecipeError, WriteError, write_errors
from local.files import atomic_folder
from local.metadata import read_classes
from local.shards.apart import check_apart, shared_lines
from local.shards.checking import read_recording
from local.shards.complete import DIGEST
from local.shards.index import index_shards
from local.shards.left_out import LEFT_OUT, check_few, report_bad, write_left_out
from local.shards.listed import find_utterances, is_listed, place_of, split_names
from local.shards.listing import find_shards
from local.shards.readers import Readers
from local.shards.record import (
    Findings,
    Record,
    check_origin,
    digest_of,
    origin_of,
    read_record,
    warnings,
)
from local.shards.room import check_room
from local.shards.split_writing import SplitWriter
from local.shards.tree import check_known
from local.shards.unfinished import forget


def write_shards(
    tree: str | Path,
    meta: str | Path,
    out: str | Path,
    size: int = 5000,
    seed: int = 123,
    check: bool = True,
    allow_shared_ids: bool = False,
    processes: int | None = None,
    skip_bad: bool = False,
) -> None:
    """Write the shards of every split that a corpus has; splits already written are kept.

    The tree holds train/, val/, dev/ and eval/, or some of them, or else the list utterances.csv
    of audio that lies elsewhere, which is converted to 16 kHz mono where it is not that; `meta` is
    its tiny_meta.csv, with at least the columns id and idx. `out` gets one folder a split with
    `size` samples a shard, drawn in the order of `seed`. Equal input gives equal bytes, whatever
    the number of `processes` that read. Every file is decoded, once, and the splits appear when all
    of them are good; with `skip_bad` those that are not are left out, see `local.shards.left_out`.
    Without `check`, only headers are read. Shards that are finished stay when this is stopped, or
    some audio is bad, and are taken up by the next call. The same audio in two splits or under two
    speakers is a warning, as is what is silent, clipped, short or without speech; audio beyond full
    scale is scaled to it.

    Raises
    ------
    RecipeError
        No split in the tree; audio that is unreadable, truncated, empty, not finite, or has the
        scale of integers, or in a folder of a split is not mono at 16 kHz: all such files at once;
        a training speaker that the metadata does not know; two files with the same id; dev speakers
        in other splits, or utterances in two, which `allow_shared_ids` makes a warning; `out` is a
        link to shards of which some split is missing; no room on the disk.
    """
    tree, out, meta = Path(tree), Path(out), Path(meta)
    splits = split_names(tree)
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
    with contextlib.ExitStack() as stack:
        folders = {split: atomic_folder(out / split, keep=True, resume=True) for split in splits}
        folders = {split: stack.enter_context(folder) for split, folder in folders.items()}
        files = find_utterances(tree)
        ids = {split: [*each.texts()] for split, each in files.items()}
        shared = check_apart(ids, allow_shared_ids)
        del ids
        check_known(files, classes)
        records, audio, writers = {}, {}, []
        for split, folder in folders.items():
            origin = origin_of(files[split], split, classes, size=size, seed=seed)
            files[split].shuffle(seed)
            if folder is None:
                place = place_of(tree, split)
                arguments = out / split, files[split], origin, place, meta
                records[split], audio[split] = _check_kept(*arguments)
            else:
                arguments = files[split], folder, out / split, origin, check, classes, skip_bad
                writers.append(SplitWriter(*arguments))
        if records:
            there = ", ".join(records)
            print(f"shards are there already: {there} in {out} (remove them to write anew)")
        check_room(out, [writer.missing() for writer in writers])
        bad = _write_all(writers, check, is_listed(tree), processes)
        report_bad(bad, sum(map(len, files.values())), out)
        _check_left_out(writers, out)
        kinds = _kinds(splits, records, writers)
        for writer in writers:
            records[writer.files.split] = writer.finish(kinds)
            audio[writer.files.split] = writer.audio()
        left_out = [bad for writer in writers for bad in writer.left_out()]
        kept = set(splits) - {writer.files.split for writer in writers}
        fewer = write_left_out(left_out, kept, tree, out)
    for split in splits:
        forget(out / split)
    audio, records = ({split: of[split] for split in splits} for of in (audio, records))
    for line in (*shared_lines(shared, audio), *warnings(files, records), *fewer):
        print(line, file=sys.stderr)


def _write_all(writers, check, convert_others, processes):
    """Write what is missing; returns the files that cannot be written, once all were tried."""
    total = sum(len(writer.files) for writer in writers)
    done = sum(note.samples for writer in writers for note in writer.finished)
    if done == total:
        return []
    read = functools.partial(read_recording, check=check, convert_others=convert_others)
    bar = {"unit": "utt", "dynamic_ncols": True, "total": total, "initial": done}
    faults = []
    with Listener() as listener, Readers(read, processes) as readers, tqdm(**bar) as progress:
        findings = Findings(listener)
        for writer in writers:
            try:
                with write_errors(writer.folder):
                    faults += writer.write(readers(writer.missing()), findings, progress)
            except WriteError as error:
                count = sum(len(each.finished) for each in writers)
                told = f"{error}; {count} shards are finished, and stay"
                raise WriteError(told, error.errno) from None
    return faults


def _check_left_out(writers, out):
    """Check that little is left out; else shards without some of it do not stay either."""
    bad, lost = [], []
    for writer in writers:
        own, split = writer.left_out(), writer.files.split
        if len(own) == len(writer.files):
            lost.append(split)
        elif own and split == "train":  # every class has somebody
            gone = Counter(each.id.partition("/")[0] for each in own)
            there = Counter(writer.files.speakers())
            lost += [name for name, count in gone.items() if count == there[name]]
        bad += own
    try:
        check_few(bad, sum(len(writer.files) for writer in writers), lost, out)
    except RecipeError:
        for writer in writers:
            writer.drop_left_out()
        raise


def _kinds(splits, records, writers):
    """All that was found, in the order in which it is told, which is that of the splits."""
    found = {writer.files.split: writer.faults() for writer in writers}
    found |= {split: record["faults"] for split, record in records.items()}
    kinds = dict.fromkeys(fault for split in splits for fault in found[split])
    return sorted(kinds, key=NO_SPEECH.__eq__)  # which is known last


def _check_kept(folder, files, origin, source, meta):
    """What is noted of shards that are there, and their ids and digests; other's are refused."""
    shards, entries = find_shards(folder)  # none is missing; what they hold, a training checks
    record = read_record(folder)
    if record:
        check_origin(folder, record["origin"], origin, source, meta)
        ids, absent = files.ids, {*record["faults"].get(LEFT_OUT, ())}
        if absent:
            ids = ids[[files.name(number) not in absent for number in range(len(files))]]
        known = [entries[shard].digests for shard in shards if shard in entries]
        if any(digests is None for digests in known) or sum(map(len, known)) != len(ids):
            known = [np.zeros((len(ids), DIGEST), np.uint8)]
        return record, (ids, np.concatenate(known))
    index = index_shards(folder)  # the original's, or of a former version
    audio = {"utterances": len(index)}
    if not np.array_equal(np.sort(index.sample_ids), np.sort(files.ids)):
        audio["files"] = "other names"
    idx = {s.speaker_id: s.class_idx for s in index if s.class_idx is not None}
    found = {**audio, "classes": digest_of(idx)}
    check_origin(folder, found, origin, source, meta)
    nothing = Record(origin=origin, checked=False, absent="", faults={})
    return nothing, (index.sample_ids, index.digests)
