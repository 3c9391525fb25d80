"""The data of a training as one object: its crops, val utterances, speakers and steps."""

import sys

from local.dataset.batch import Utterances
from local.dataset.loading import BatchLoader, make_crops
from local.dataset.sized import make_order
from local.processes import rank
from local.shards import (
    check_apart,
    check_classes,
    fingerprint,
    known_speakers,
    prepare_split,
    shared_lines,
    speakers_by_class,
)


class ShardData:
    """Crops of the training shards, utterances of the val shards, and the index of the dev shards.

    Arguments
    ---------
    train_shards, val_shards, dev_shards :
        Folders or URLs, see `local.shards.list_shards`; several are separated by commas.
    index_folder :
        Keeps what has been read of the shards' headers.
    stage_shards_to :
        A folder on a fast local disk to which all shards are copied first; "" for none.
    shard_cache :
        A folder for copies of shards that lie on a server; "" streams the training shards from
        there in every epoch.
    allow_shared_ids :
        Only warn of dev speakers who are in the other shards, and of utterances in two splits.
    epochs, batch_size, seed :
        Of the training. The batch is that of all processes together.
    crop_frames :
        Length of a crop in audio samples.
    crops_per_utterance, min_epoch_steps, steps, max_steps :
        How long the training is, see `local.dataset.sized.make_order`.
    speaker_balanced, crops_per_speaker, shuffle_buffer :
        See `local.dataset.CropOrder`.
    num_workers :
        Threads that read ahead, or processes where shards are streamed; 0 reads between the steps.

    Attributes
    ----------
    train_index, val_index, dev_index : ShardIndex
        The utterances of each split.
    speakers : list of str
        The speaker of each class.
    order : CropOrder
        Which crops make which batch.

    Raises
    ------
    RecipeError
        Shards that are missing, damaged or contradict each other; settings that do not go together.
    """

    def __init__(
        self,
        *,
        train_shards: str,
        val_shards: str,
        dev_shards: str,
        index_folder: str,
        epochs: int,
        batch_size: int,
        crop_frames: int,
        seed: int,
        crops_per_utterance: int = 1,
        min_epoch_steps: int = 0,
        steps: int = 0,
        max_steps: int = 0,
        speaker_balanced: bool = False,
        crops_per_speaker: int = 1,
        shuffle_buffer: int = 1000,
        num_workers: int = 0,
        stage_shards_to: str = "",
        shard_cache: str = "",
        allow_shared_ids: bool = False,
    ):
        near = {"stage_shards_to": stage_shards_to, "shard_cache": shard_cache}
        self.train_index = prepare_split(train_shards, "train", index_folder, **near)
        self.val_index = prepare_split(val_shards, "val", index_folder, mapped=True, **near)
        self.dev_index = prepare_split(dev_shards, "dev", index_folder, mapped=True, **near)
        self.speakers = speakers_by_class(self.train_index)
        check_classes(self.val_index, self.speakers)
        ids = {split: self._sample_ids(split) for split in ("train", "val", "dev")}
        shared = check_apart(ids, allow_shared_ids)
        if rank() == 0:
            audio = {split: getattr(self, f"{split}_index") for split in ids}
            audio = {split: (index.sample_ids, index.digests) for split, index in audio.items()}
            for line in shared_lines(shared, audio):
                print(line, file=sys.stderr)
        self._known = known_speakers(ids["dev"], ids["train"], ids["val"])
        self.epochs = epochs
        self.num_workers = num_workers
        self.order = make_order(
            self.train_index,
            epochs=epochs,
            steps=steps,
            max_steps=max_steps,
            min_epoch_steps=min_epoch_steps,
            batch_size=batch_size,
            crops_per_utterance=crops_per_utterance,
            speaker_balanced=speaker_balanced,
            crops_per_speaker=crops_per_speaker,
            shuffle_buffer=shuffle_buffer,
            seed=seed,
        )
        self.crops = make_crops(self.order, crop_frames=crop_frames)

    def _sample_ids(self, split):
        return [key.decode() for key in getattr(self, f"{split}_index").sample_ids.tolist()]

    @property
    def n_speakers(self) -> int:
        """How many training speakers there are."""
        return len(self.speakers)

    @property
    def num_batches(self) -> int:
        """Batches in all epochs, which are the length of a learning rate schedule."""
        return self.order.batches_before(self.epochs + 1)

    @property
    def length(self) -> str:
        """What a training of a number of steps keeps to, "" where it is told in epochs.

        These may become more, as each has steps of its own.
        """
        steps = getattr(self.order, "steps", 0)
        return f"{steps} steps in {self.epochs} epochs" if steps else ""

    @property
    def content(self) -> str:
        """A number for what the training shards hold, however they are cut."""
        return fingerprint(self.train_index)

    def utterances(self, split: str) -> list[str]:
        """The utterances of the "val" or "dev" shards, as trial lists name them."""
        index = {"val": self.val_index, "dev": self.dev_index}[split]
        return [sample.key for sample in index]

    @property
    def dev_speakers(self) -> str:
        """Who speaks in the dev shards: "unseen speakers", or how many of them are known."""
        total = len({sample.speaker_id for sample in self.dev_index})
        known = f"{len(self._known)} of {total} speakers known from training"
        return known if self._known else "unseen speakers"

    @property
    def dev_folders(self) -> list[str]:
        """The local folders that hold the dev shards, or copies of them."""
        return list(dict.fromkeys(str(shard.parent) for shard in self.dev_index.shards))

    def train_loader(self, pin_memory: bool = False) -> BatchLoader:
        """Batches of random crops; a GPU gets them faster from pinned memory."""
        return BatchLoader(
            self.crops, self.order, num_workers=self.num_workers, pin_memory=pin_memory
        )

    def val_loader(self, min_frames: int, pin_memory: bool = False) -> BatchLoader:
        """This process's batches of whole val utterances, the shorter ones repeated to a length.

        `min_frames` is that length in audio samples.
        """
        utterances = Utterances(self.val_index, min_frames=min_frames)
        return BatchLoader(
            utterances, utterances.own(), num_workers=self.num_workers, pin_memory=pin_memory
        )
