"""Plain webdataset: whole files are decoded, three seconds of each are kept."""

import io
import json
import random
import shutil

import soundfile as sf
import torch
import webdataset as wds

from benchmarks.peers import BATCH, CROP, MissingPeerError


def decode_and_cut(sample):
    """The crop and the class of a sample."""
    signal, _ = sf.read(io.BytesIO(sample["wav"]), dtype="float32")
    start = random.randint(0, len(signal) - CROP)
    crop = torch.from_numpy(signal[start : start + CROP])
    return crop, json.loads(sample["json"])["class_idx"]


class PlainWebdataset:
    """Decodes the members of shards."""

    def __init__(self, corpus):
        self.urls = corpus.train_urls
        if self.urls[0].startswith("http") and not shutil.which("curl"):
            raise MissingPeerError("webdataset reads http through curl, which is not installed")

    def _pipeline(self):
        data = wds.WebDataset(self.urls, shardshuffle=len(self.urls), empty_check=False)
        return data.shuffle(1000).map(decode_and_cut)

    def crops(self, epoch):
        """One by one, out of the shuffle buffer."""
        for crop, _ in self._pipeline():
            yield crop

    def batches(self, epoch, workers):
        """Batched in the workers, as its documentation advises."""
        data = self._pipeline().batched(BATCH)
        for crops, _ in wds.WebLoader(data, batch_size=None, num_workers=workers):
            yield crops
