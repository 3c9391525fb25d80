"""SpeechBrain's VoxCeleb recipe: a CSV with a line a file, of which a random chunk is read."""

import random

import speechbrain as sb
from speechbrain.dataio import audio_io
from speechbrain.dataio.sampler import ReproducibleRandomSampler

from benchmarks.peers import BATCH, CROP


class SpeechBrainFiles:
    """Reads from the files of a CSV."""

    def __init__(self, corpus):
        self.data = sb.dataio.dataset.DynamicItemDataset.from_csv(str(corpus.csv))
        encoder = sb.dataio.encoder.CategoricalEncoder()

        @sb.utils.data_pipeline.takes("wav", "start", "stop", "duration")
        @sb.utils.data_pipeline.provides("sig")
        def random_chunk(wav, start, stop, duration):
            start = random.randint(0, int(float(duration) * 16000) - CROP)
            sig, _ = audio_io.load(wav, num_frames=CROP, frame_offset=start)
            return sig.transpose(0, 1).squeeze(1)

        @sb.utils.data_pipeline.takes("spk_id")
        @sb.utils.data_pipeline.provides("spk_id", "spk_id_encoded")
        def label(spk_id):
            yield spk_id
            yield encoder.encode_sequence_torch([spk_id])

        for item in (random_chunk, label):
            self.data.add_dynamic_item(item)
        encoder.update_from_didataset(self.data, output_key="spk_id")
        self.data.set_output_keys(["id", "sig", "spk_id_encoded"])

    def _sampler(self, epoch):
        return ReproducibleRandomSampler(self.data, seed=1337, epoch=epoch)

    def crops(self, epoch):
        """One by one, in random order."""
        for number in self._sampler(epoch):
            yield self.data[number]["sig"]

    def batches(self, epoch, workers):
        """As Brain.fit makes its loader: SaveableDataLoader with PaddedBatch."""
        loader = sb.dataio.dataloader.make_dataloader(
            self.data, batch_size=BATCH, num_workers=workers, sampler=self._sampler(epoch)
        )
        for batch in loader:
            yield batch.sig.data
