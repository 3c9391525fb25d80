"""From a run and folders of shards to embeddings, computed or found cached."""

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from tqdm import tqdm

from local.bundle import batching, encode, find_bundle, load_encoder
from local.bundle.windows import MIN_FRAMES
from local.embeddings.batches import average, cut, plan_batches, read_batches
from local.embeddings.cache import EmbeddingCache
from local.embeddings.from_files import embed_files
from local.embeddings.table import Embeddings, check_distinct, join
from local.errors import RecipeError
from local.layout import SAMPLE_RATE
from local.processes import choose_device, gather, on_main, rank, world_size
from local.shards import ShardIndex, check_holes, index_shards
from local.shards.addresses import public


class LookedUp(NamedTuple):
    """A folder of shards before its utterances are embedded.

    Arguments
    ---------
    path
        The folder.
    cache
        Where its embeddings are, or are to be, kept.
    found
        Those that were kept by an earlier call.
    index
        None where embeddings were found.
    """

    path: Path
    cache: EmbeddingCache
    found: Embeddings | None
    index: ShardIndex | None

    @property
    def ids(self) -> list[str]:
        """The utterances, as trial lists name them."""
        return self.found.ids if self.found else [sample.key for sample in self.index]


class Embedder:
    """The network of one run, at work on folders of shards.

    An embedding depends on its utterance alone: not on `batch_size`, the company in the batch, the
    workers or the number of processes (with the same number of threads a process even the bits are
    the same). Memory is bounded, however long an utterance is: see `cut`.

    Where the process is one of a group, of gloo or NCCL, each process is to make the same calls:
    they share the work, and all get the embeddings.

    Arguments
    ---------
    checkpoint
        Output folder of a run, or its inference folder.
    device
        Such as "cpu" or "cuda"; without it a GPU where there is one.
    precision
        "fp32", "bf16" or "fp16"; embeddings are float32 always.
    batch_size
        Utterances a batch at the most; 2 minutes of audio are another bound.
    num_workers
        Threads that decode audio of shards, or processes for files; 0 decodes in between.

    Raises
    ------
    RecipeError
        No trained network; an unknown device or precision; a number out of range.
    """

    def __init__(
        self,
        checkpoint: str | Path,
        *,
        device: str | None = None,
        precision: str = "fp32",
        batch_size: int = 16,
        num_workers: int = 0,
        progressbar: bool = True,
    ):
        if batch_size < 1 or num_workers < 0:
            raise RecipeError(
                f"batch_size {batch_size}, num_workers {num_workers}: expected at least 1 and 0"
            )
        self.bundle = find_bundle(checkpoint)
        self.device = choose_device(device, precision)
        self.precision = precision
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.progressbar = progressbar

    def look_up(self, shard_folders: Iterable[str | Path]) -> list[LookedUp]:
        """See what folders hold, and which of their embeddings are in the run's cache.

        A folder that is named twice counts once.

        Raises
        ------
        RecipeError
            See `index_shards`; an utterance in two of the folders.
        """
        paths = dict.fromkeys(map(_local_folder, shard_folders))
        folders = [on_main(self._look_up, path) for path in paths]
        check_distinct((folder.ids, folder.path) for folder in folders)
        return folders

    def _look_up(self, folder):
        cache = EmbeddingCache(self.bundle, folder, self.precision)
        found = cache.find()
        index = index_shards(folder) if found is None else None
        if index:
            check_holes(index)
        return LookedUp(folder, cache, found, index)

    def embed(self, folders: list[LookedUp]) -> Embeddings:
        """Embed each utterance of some folders once, unless its embeddings were found.

        Raises
        ------
        RecipeError
            See `decode`; embeddings that are not finite; the same id twice; another process has
            ended.
        """
        return join(
            [self._embed(folder) if folder.found is None else folder.found for folder in folders]
        )

    def _embed(self, folder):
        index, about = folder.index, folder.cache.about
        with torch.random.fork_rng([]):  # networks are made of random numbers, until they are read
            vectors = self._compute(index, folder.path.name)
        embeddings = Embeddings(folder.ids, vectors, index.num_frames, about).check(folder.path)
        folder.cache.check_unchanged()
        on_main(folder.cache.store, embeddings)
        return embeddings

    def embed_files(
        self, folder: str | Path, files: dict[str, str]
    ) -> tuple[Embeddings, list[str]]:
        """Embed utterances, given by the paths of their audio files in a folder, once.

        Returns their embeddings, and the files in which they are kept; see
        `local.embeddings.from_files.embed_files`.
        """
        return embed_files(self, folder, files)

    def encode(self, signals: list[np.ndarray]) -> np.ndarray:
        """Embed a batch of float32 signals of lengths that `rule` allows: (batch, dim), float32."""
        return self._encode(self._network[0], signals)

    @property
    def rule(self) -> str:
        """Which batches leave embeddings as they are, see `local.bundle.batching`."""
        return self._network[2]

    @functools.cached_property
    def _network(self):
        encoder = load_encoder(self.bundle, self.device, self.precision)
        dim = encode(encoder, [np.zeros(MIN_FRAMES, dtype=np.float32)]).shape[1]
        return encoder, dim, on_main(batching, encoder)

    def _compute(self, index, name):
        encoder, dim, rule = self._network
        pieces = cut(index.num_frames.tolist())
        batches = plan_batches(
            [piece.length for piece in pieces],
            1 if rule == "single" else self.batch_size,
            mixed=rule == "mixed",
        )
        world = world_size()
        own = batches[rank() :: world]
        windows = np.bincount([piece.row for piece in pieces])
        bar = tqdm(
            desc=f"embedding {name}" + (f", process {rank() + 1} of {world}" if world > 1 else ""),
            total=round(sum(1 / windows[pieces[n].row] for batch in own for n in batch)),
            unit="utt",
            dynamic_ncols=True,
            disable=rank() > 0 or not self.progressbar,
            bar_format="{l_bar}{bar}| {n:.0f}/{total} [{elapsed}<{remaining}, {rate_fmt}]",
        )
        computed = []
        with bar:
            for batch, signals in read_batches(index, pieces, own, self.num_workers):
                computed.append((batch, self._encode(encoder, signals)))
                bar.update(sum(1 / windows[pieces[number].row] for number in batch))
            bar.update(bar.total - bar.n)  # what rounding has left
        vectors = np.zeros((len(pieces), dim), dtype=np.float32)
        for batch, rows in gather(computed):  # as objects: NCCL takes no array of the CPU
            vectors[batch] += rows  # which makes 0 of -0
        return average(vectors, pieces)

    @staticmethod
    def _encode(encoder, signals):
        try:
            return encode(encoder, signals).numpy()
        except torch.OutOfMemoryError:
            seconds = max(map(len, signals)) / SAMPLE_RATE
            raise RecipeError(
                f"the memory of {encoder.device} is too small for {len(signals)} utterances of up "
                f"to {seconds:.0f} s at once; lower batch_size, or use --device cpu"
            ) from None


def _local_folder(folder):
    if "://" in str(folder):
        raise RecipeError(
            f"{public(folder)}: only local shards can be embedded: copy them with "
            "python -m local.shards.stage"
        )
    return Path(folder).resolve()


def get_embeddings(
    checkpoint: str | Path, shard_folders: Iterable[str | Path], **options
) -> Embeddings:
    """Embed each utterance of folders of shards, once in the life of a run.

    What was embedded before comes from CHECKPOINT/embeddings/; the network is loaded only if
    something has to be computed. The arguments and errors are those of `Embedder`.
    """
    embedder = Embedder(checkpoint, **options)
    return embedder.embed(embedder.look_up(shard_folders))
