"""The readers of this project: by index where shards can be mapped, streamed elsewhere."""

from benchmarks.peers import BATCH, CROP
from local.dataset import CropOrder, make_crops
from local.dataset.loading import BatchLoader
from local.dataset.streamed import StreamedCrops
from local.shards import index_shards, prepare_split

SEED = 1337


class Indexed:
    """Reads crops from mapped shards."""

    def __init__(self, corpus):
        index = index_shards(corpus.source, corpus.csv.with_suffix(".npz"))
        self.order = CropOrder(index, batch_size=BATCH, seed=SEED)
        self.data = make_crops(self.order, crop_frames=CROP)

    def crops(self, epoch):
        """One by one, in the order of the epoch."""
        self._set_epoch(epoch)
        for batch in self.order:
            for number in batch:
                yield self.data[number]["sig"]

    def batches(self, epoch, workers):
        """As training reads them."""
        self._set_epoch(epoch)
        for batch in BatchLoader(self.data, self.order, num_workers=workers):
            yield batch.signals

    def _set_epoch(self, epoch):
        self.order.set_epoch(epoch)
        self.data.set_epoch(epoch)


class Streamed:
    """Reads shards from their beginning to their end."""

    cached = False

    def __init__(self, corpus):
        folder = corpus.csv.parent
        cache = folder / "shard_cache" if self.cached else ""
        index = prepare_split(corpus.source, corpus.csv.stem, folder, shard_cache=cache)
        vars(index)["mapped"] = False  # also those that lie on this disk
        self.order = CropOrder(index, batch_size=BATCH, seed=SEED)
        self.data = StreamedCrops(self.order, crop_frames=CROP, seed=SEED)

    def crops(self, epoch):
        """Batch by batch, as it makes them."""
        self.order.set_epoch(epoch)
        for batch in self.data:
            yield batch.signals

    def batches(self, epoch, workers):
        """As training reads them."""
        self.order.set_epoch(epoch)
        for batch in BatchLoader(self.data, num_workers=workers):
            yield batch.signals


class Cached(Streamed):
    """The same with copies on this disk, which are made before: as training does."""

    cached = True
