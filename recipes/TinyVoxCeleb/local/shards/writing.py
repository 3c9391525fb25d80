"""From an audio tree to shards, byte-identical for equal input."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import soundfile as sf
from tqdm import tqdm
from webdataset.writer import TarWriter

from local.corpora.audio_files import find_audio, ignored_line
from local.errors import RecipeError
from local.files import atomic_folder
from local.layout import SAMPLE_RATE
from local.metadata import read_classes
from local.shards.complete import write_manifest
from local.shards.headers import AUDIO_TYPES
from local.shards.sources import list_shards

SPLITS = ("train", "val", "dev", "eval")
# Byte-identical archives: no clock, no user. PAX knows ids of any length and alphabet.
REPRODUCIBLE = {
    "encoder": False,
    "mtime": 0,
    "user": "root",
    "group": "root",
    "mode": 0o644,
    "format": "PAX_FORMAT",
}


def write_shards(
    tree: str | Path, meta: str | Path, out: str | Path, size: int = 5000, seed: int = 123
) -> None:
    """Write the shards of every split that an audio tree has; splits already written are kept.

    The tree holds train/, val/, dev/ and eval/, or some of them; `meta` is its tiny_meta.csv, with
    at least the columns id and idx. `out` gets one folder a split with `size` samples a shard,
    drawn in the order of `seed`. Equal input gives equal bytes.

    Raises
    ------
    RecipeError
        No split in the tree; audio that is unreadable, empty, not mono or not at 16 kHz; a
        training speaker that the metadata does not know; two files with the same id.
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
    kept = [split for split in splits if (out / split).is_dir()]
    if kept:
        print(f"shards are there already: {', '.join(kept)} in {out} (remove them to write anew)")
    for split in kept:
        list_shards(out / split)  # all of them
    for split in splits:
        with atomic_folder(out / split, keep=True) as folder:
            if folder is not None:
                paths = _audio_files(tree, split)
                np.random.default_rng(seed=seed).shuffle(paths)
                _write_split(folder, split, paths, classes, size)


def _write_split(folder, split, paths, classes, size):
    count = -(-len(paths) // size)
    width = max(4, len(str(size - 1)))
    speakers, frames, samples = set(), 0, {}
    progress = tqdm(total=len(paths), desc=f"{split} shards", unit="utt", dynamic_ncols=True)
    for number in range(count):
        chunk = paths[number * size : (number + 1) * size]
        short = count > 1 and len(chunk) < size
        name = f"shard-{number:06d}{'.partial' if short else ''}.tar"
        with open(folder / name, "wb") as fout, TarWriter(fout, **REPRODUCIBLE) as writer:
            for place, path in enumerate(chunk):
                sample = _describe(path, split, classes)
                key = f"{place:0{width}d}/{sample['sample_id']}"
                # TarWriter sorts the files of one call by extension: two calls keep audio first.
                writer.write({"__key__": key, path.suffix[1:].lower(): path.read_bytes()})
                writer.write({"__key__": key, "json": json.dumps(sample).encode()})
                speakers.add(sample["speaker_id"])
                frames += sample["num_frames"]
                progress.update()
        samples[name] = len(chunk)
    write_manifest(folder, samples)
    progress.close()
    who = "unnamed" if split == "eval" else f"{len(speakers)}"
    print(f"{split}: {len(paths)} utterances, {frames / SAMPLE_RATE / 3600:.2f} h, {who} speakers")


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
        sample_id = "/".join(parts[-3:])
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


def _describe(path, split, classes):
    try:
        info = sf.info(path)
    except (sf.LibsndfileError, OSError) as error:
        raise RecipeError(f"{path}: unreadable audio ({error}): export it again") from None
    if info.frames == 0:
        raise RecipeError(f"{path}: the audio is empty: remove the file")
    if info.samplerate != SAMPLE_RATE or info.channels != 1:
        raise RecipeError(
            f"{path}: found {info.samplerate} Hz with {info.channels} channels: expected "
            f"{SAMPLE_RATE} Hz mono; convert it, or let the corpus 'folder' do that"
        )
    speaker, session, utterance = path.with_suffix("").parts[-3:]
    class_idx = None
    if split in ("train", "val"):
        class_idx = classes.get(speaker)
        if class_idx is None:
            raise RecipeError(
                f"{path}: speaker {speaker} has no class index in tiny_meta.csv: expected a row "
                "with this id and its idx"
            )
    return {
        "sample_id": f"{speaker}/{session}/{utterance}",
        "speaker_id": speaker,
        "youtube_id": session,
        "utterance_id": utterance,
        "num_frames": info.frames,
        "sampling_rate": info.samplerate,
        "class_idx": class_idx,
    }
