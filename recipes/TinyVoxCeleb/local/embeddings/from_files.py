"""From audio files to embeddings: each read once, by processes, and put into batches as it comes.

What has been embedded is kept some hours of audio at a time, and at Ctrl-C, so whoever is killed
goes on there.
"""

import contextlib
import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile as sf
import torch
from tqdm import tqdm

from local.bundle.windows import MIN_FRAMES
from local.embeddings.batches import plan_batches
from local.embeddings.kept_files import KeptFiles, make_table
from local.embeddings.plain_audio import (
    Heard,
    LongRecording,
    Stamp,
    as_float,
    fault_of,
    read_plain,
    stamp_of,
)
from local.embeddings.table import Embeddings
from local.errors import RecipeError, first_of
from local.layout import SAMPLE_RATE
from local.processes import gather, on_main, rank, world_size
from local.shards.audio import repeat_to
from local.shards.places import Utterance
from local.shards.readers import Readers

GATHERED = 1200 * SAMPLE_RATE  # audio samples within which batches gather: 20 min, 80 MB at most
KEPT_AT_ONCE = 1 << 30  # bytes of files after which what was embedded is kept: 9 h of 16 bits


class Row(NamedTuple):
    """What came of a file."""

    path: str
    stamp: Stamp
    digest: bytes
    vector: np.ndarray | None
    num_frames: int
    fault: str


def embed_files(
    embedder, folder: str | Path, files: dict[str, str]
) -> tuple[Embeddings, list[str]]:
    """Embed utterances, given by their files' paths within a folder, unless that was done before.

    Arguments
    ---------
    embedder : Embedder
        The network at work.

    Returns
    -------
    The embeddings, in the order of the files, and the files that keep them.

    Raises
    ------
    RecipeError
        Files that cannot be used, all at once, when the others are embedded and kept; embeddings
        that are not finite, or zero.
    """
    kept = on_main(KeptFiles, embedder.bundle, folder, embedder.precision)
    stamps = on_main(_stamps, folder, files.values())
    known = {path: kept.digest(path, stamp) for path, stamp in stamps.items()}
    new = [path for path in sorted(stamps) if known[path] not in kept.vectors]
    faults = []
    with contextlib.ExitStack() as stack:
        if new:
            stack.enter_context(torch.random.fork_rng([]))  # see `Embedder`
            work = _Work(embedder, folder, kept, stack)
            bar = stack.enter_context(_bar(embedder, folder, len(new[rank() :: world_size()])))
        for task in _tasks(new, stamps):
            own = []
            try:
                own.extend(_watched(work.embed(task[rank() :: world_size()], stamps), bar))
            except KeyboardInterrupt:
                if world_size() == 1:
                    _keep(kept, own, folder)
                raise
            rows = gather(own)
            faults += [(row.path, row.fault) for row in rows if row.fault]
            good = _keep(kept, rows, folder)
            known.update((path, digest) for path, (_, digest, _, _) in good.items())
            kept.vectors.update((digest, rest) for _, digest, *rest in good.values())
    if faults:
        told = first_of([f"{path}: {fault}" for path, fault in sorted(faults)], joiner="; ")
        raise RecipeError(
            f"{folder}: {len(faults)} of {len(stamps)} audio files cannot be embedded: {told}; "
            "export them again, or leave out their trials; what came of the others is kept"
        )
    vectors, lengths = zip(*(kept.vectors[known[path]] for path in files.values()), strict=True)
    lengths = np.array(lengths, np.int64)
    embeddings = Embeddings(list(files), np.array(vectors, np.float32), lengths, kept.about)
    return embeddings.check(folder), [str(kept.path)]


def _keep(kept, rows, folder):
    """Keep what came of files, where none was at fault; returns it by their paths."""
    good = {row.path: row[1:5] for row in rows if not row.fault}
    if good:
        table = make_table(good)
        Embeddings(list(good), table.vectors, table.num_frames, {}).check(folder)
        on_main(kept.store, table)
    return good


def _stamps(folder, paths):
    """The stamps of files by their paths; of one that is gone, what no file has."""
    stamps = {}
    for path in dict.fromkeys(paths):
        try:
            stamps[path] = stamp_of(os.path.join(folder, path))
        except OSError:  # told where it is read
            stamps[path] = Stamp(0, 0, 0)
    return stamps


def _tasks(paths, stamps) -> Iterator[list[str]]:
    """Lists of files, of so many bytes each."""
    task, size = [], 0
    for path in paths:
        task.append(path)
        size += stamps[path].size
        if size > KEPT_AT_ONCE:
            yield task
            task, size = [], 0
    if task:
        yield task


def _watched(rows, bar):
    for row in rows:
        yield row
        bar.update()


def _bar(embedder, folder, total):
    world = world_size()
    number = f", process {rank() + 1} of {world}" if world > 1 else ""
    hidden = rank() > 0 or not embedder.progressbar
    name = f"embedding {Path(folder).name}{number}"
    return tqdm(desc=name, total=total, unit="utt", dynamic_ncols=True, disable=hidden)


def _read(utterance, known):
    return read_plain(Path(utterance.path), known)


class _Work:
    """The network and the processes that read for it, which end with `stack`."""

    def __init__(self, embedder, folder, kept, stack):
        self._embedder, self._folder, self._kept = embedder, folder, kept
        read = functools.partial(_read, known=kept.vectors)
        self._read = functools.partial(map, read)
        if embedder.num_workers:  # before the network has threads
            count = min(embedder.num_workers, len(os.sched_getaffinity(0)))
            self._read = stack.enter_context(Readers(read, count))
        if world_size() > 1:
            embedder.rule  # noqa: B018 - all processes are to find out together

    def embed(self, paths: list[str], stamps: dict[str, Stamp]) -> Iterator[Row]:
        """What comes of some files, in no order."""
        files = [
            Utterance(path, os.path.join(self._folder, path), stamps[path].size) for path in paths
        ]
        waiting: list[tuple[str, Heard]] = []
        total = 0
        for (path, place, *_), heard in zip(files, self._read(files), strict=True):
            before = self._kept.vectors.get(heard.digest)
            if heard.fault:
                yield Row(path, heard.stamp, b"", None, 0, heard.fault)
            elif before is not None:
                yield Row(path, heard.stamp, heard.digest, *before, "")
            elif heard.samples is None:
                yield self._embed_long(path, Path(place))
            else:
                # What was read lies where the next is put.
                waiting.append((path, heard._replace(samples=heard.samples.copy())))
                total += len(heard.samples)
            if total > GATHERED:
                batches = self._plan(waiting)
                ready = batches[: -(-len(batches) // 2)]  # the longest: those left are soon many
                yield from self._embed_batches(waiting, ready)
                done = {number for batch in ready for number in batch}
                waiting = [each for number, each in enumerate(waiting) if number not in done]
                total = sum(len(heard.samples) for _, heard in waiting)
        yield from self._embed_batches(waiting, self._plan(waiting))

    def _plan(self, waiting):
        lengths = [max(len(heard.samples), MIN_FRAMES) for _, heard in waiting]
        rule, size = self._embedder.rule if waiting else "mixed", self._embedder.batch_size
        return plan_batches(lengths, 1 if rule == "single" else size, mixed=rule == "mixed")

    def _embed_batches(self, waiting, batches) -> Iterator[Row]:
        for batch in batches:
            files = [waiting[number] for number in batch]
            signals = [repeat_to(as_float(heard.samples), MIN_FRAMES) for _, heard in files]
            vectors = self._embedder.encode(signals)
            for (path, heard), vector in zip(files, vectors, strict=True):
                yield Row(path, heard.stamp, heard.digest, vector, len(heard.samples), "")

    def _embed_long(self, path, place):
        try:
            recording = LongRecording(place)
        except (OSError, RecipeError, sf.SoundFileError, ValueError) as error:
            return Row(path, Stamp(0, 0, 0), b"", None, 0, fault_of(place, error))
        vectors = [self._encode_one(window) for window in recording.windows()]
        vector = np.mean(vectors, axis=0, dtype=np.float64).astype(np.float32)
        return Row(path, recording.stamp, recording.digest, vector, recording.num_frames, "")

    def _encode_one(self, window):
        return self._embedder.encode([repeat_to(window, MIN_FRAMES)])[0]
