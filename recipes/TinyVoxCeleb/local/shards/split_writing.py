"""The shards of one split, as they are written: what is finished stays, whatever happens then."""

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from tqdm import tqdm

from local.files import atomic_file
from local.layout import SAMPLE_RATE
from local.shards.checking import Recording
from local.shards.complete import DIGEST, ManifestEntry, write_manifest
from local.shards.left_out import LEFT_OUT, Bad
from local.shards.places import Utterance
from local.shards.record import Findings, Origin, Record, origin_of, record_of, write_record
from local.shards.shard_file import Summed, pack, shard_names
from local.shards.unfinished import Note, Unfinished
from local.shards.utterances import Utterances


class SplitWriter:
    """Writes the shards of a split into a folder that appears once all are there.

    Arguments
    ---------
    files
        The utterances, in the order of the shards.
    shards, folder
        Where the shards lie until then, and where after that.
    origin, checked
        What they are made of, and whether all is decoded.
    classes
        The class index of each speaker.
    skip_bad
        Whether audio that cannot be read is left out; else a shard of it is not finished.
    """

    def __init__(
        self,
        files: Utterances,
        shards: Path,
        folder: Path,
        origin: Origin,
        checked: bool,
        classes: Mapping[str, int],
        skip_bad: bool = False,
    ):
        self.files, self.folder, self._skip_bad = files, folder, skip_bad
        self._shards, self._origin, self._checked, self._classes = shards, origin, checked, classes
        self._names = shard_names(len(files), origin["size"])
        self._unfinished = Unfinished(shards, folder)
        self._origins = [self._origin_of(number) for number in range(len(self._names))]
        self._notes = self._unfinished.take(self._names, self._origins, checked, skip_bad)

    def _chunk(self, number):
        size = self._origin["size"]
        rows = range(number * size, min((number + 1) * size, len(self.files)))
        return map(self.files.__getitem__, rows)

    def _origin_of(self, number):
        """What a shard is made of: a file that is mended makes no other shard another."""
        options = {key: self._origin[key] for key in ("size", "seed")}
        return origin_of([*self._chunk(number)], self.files.split, self._classes, **options)

    @property
    def finished(self) -> list[Note]:
        """The notes of the shards that are there."""
        return [note for note in self._notes if note]

    def missing(self) -> Iterator[Utterance]:
        """The utterances of the shards that are not there yet."""
        for number, note in enumerate(self._notes):
            if not note:
                yield from self._chunk(number)

    def write(
        self, recordings: Iterator[Recording], findings: Findings, progress: tqdm
    ) -> list[Bad]:
        """Write the shards that are missing, of the recordings of what is missing, in its order.

        Returns the files that are wrong, as far as they are not left out.
        """
        progress.set_description(f"{self.files.split} shards")
        faults = []
        for number, name in enumerate(self._names):
            if not self._notes[number]:
                pairs = zip(self._chunk(number), recordings, strict=False)
                note = self._write_shard(name, number, pairs, findings, progress, faults)
                self._notes[number] = note
        return faults

    def _write_shard(self, name, number, pairs, findings, progress, faults):
        note, digests, wrong = Note(self._origins[number], self._checked), [], len(faults)
        with atomic_file(self._shards / name, "wb") as fout:
            file = Summed(fout)
            packed = pack(file, self.files.split, pairs, self._classes, self._origin["size"])
            for place, utterance, recording in packed:
                progress.update()
                if recording.fault and self._skip_bad:
                    note.left_out[str(place)] = recording.fault
                    continue
                if recording.fault:
                    bad = utterance.id, utterance.path, recording.fault
                    faults.append(Bad(self.files.split, *bad))
                    continue
                if self._checked:
                    findings.add(place, recording, utterance, self.files.split != "eval")
                    digests.append(recording.digest[:DIGEST])
                note.samples += 1
                note.frames += recording.num_frames
        note.faults, note.absent = findings.of_shard()
        if note.left_out:
            note.faults[LEFT_OUT] = [*map(int, note.left_out)]
        if len(faults) > wrong:
            (self._shards / name).unlink()
            return None
        note.bytes, note.checksum = file.bytes, file.checksum
        note.digests = base64.b64encode(b"".join(digests)).decode()
        self._unfinished.keep(name, note)
        return note

    def left_out(self) -> list[Bad]:
        """The files that are left out, once all others are written."""
        size, bad = self._origin["size"], []
        for number, note in enumerate(self._notes):
            for place, reason in note.left_out.items():
                utterance = self.files[number * size + int(place)]
                bad.append(Bad(self.files.split, utterance.id, utterance.path, reason))
        return bad

    def drop_left_out(self) -> None:
        """Remove the finished shards from which something was left out."""
        for name, note in zip(self._names, self._notes, strict=True):
            if note.left_out:
                self._unfinished.remove(name)

    def audio(self) -> tuple[np.ndarray, np.ndarray]:
        """Ids and digests of all that is not left out, once all are written, see `same_audio`."""
        size = self._origin["size"]
        notes = enumerate(self._notes)
        rows = [number * size + int(place) for number, note in notes for place in note.left_out]
        digests = np.concatenate([note.audio() for note in self._notes])
        return np.delete(self.files.ids, rows), digests

    def faults(self) -> Iterator[str]:
        """The kinds of what was found, in the order in which it was."""
        for note in self.finished:
            yield from note.faults

    def finish(self, kinds: list[str]) -> Record:
        """Put the manifest and the record beside the shards, and tell what they hold."""
        entries = []
        for name, note in zip(self._names, self._notes, strict=True):
            if not note.samples:  # all was left out: readers expect some
                (self._shards / name).unlink()
                continue
            digests = note.audio() if self._checked else None
            entries.append(ManifestEntry(name, note.samples, digests=digests))
        write_manifest(self._shards, entries)
        found = [(note.faults, note.absent) for note in self._notes]
        record = record_of(self.files, self._origin, self._checked, found, kinds)
        write_record(self._shards, record)
        unnamed = self.files.split == "eval"
        who = "unnamed" if unnamed else f"{len({*self.files.speakers()})}"
        hours = sum(note.frames for note in self._notes) / SAMPLE_RATE / 3600
        count = sum(note.samples for note in self._notes)
        print(f"{self.files.split}: {count} utterances, {hours:.2f} h, {who} speakers")
        return record
