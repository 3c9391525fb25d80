"""The design of the tiny-voxceleb skeleton: TorchData's pipes, MFCC sample by sample in the worker.

torchdata 0.9.0 is the last one with data pipes. It is no requirement of this project; beside this
torch it runs when it is installed without its dependencies.
"""

import json
import warnings

import soundfile as sf
import torch
import torchaudio

from benchmarks.peers import BATCH, CROP, MissingPeerError

try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that data pipes are deprecated
        from torchdata.datapipes import iter as pipes
except ImportError:
    pipes = None


def require_torchdata():
    """Raise where the data pipes are absent."""
    if pipes is None:
        raise MissingPeerError("needs: pip install --no-deps torchdata==0.9.0")


def decode(member):
    """Decode a member of an archive: the whole audio, or its JSON."""
    name, stream = member
    if name.endswith(".json"):
        return name, json.load(stream)
    signal, _ = sf.read(stream, dtype="float32")
    return name, torch.from_numpy(signal)


def to_sample(members):
    """Id, signal and class."""
    about = members[".json"]
    return about["sample_id"], members[".wav"], about["class_idx"]


def chunk(sample):
    """Cut three random seconds."""
    sample_id, signal, class_idx = sample
    start = int(torch.randint(len(signal) - CROP + 1, ()))
    return sample_id, signal[start : start + CROP], class_idx


class SampleMfcc:
    """The features of one sample."""

    def __init__(self):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="At least one mel filterbank")
            self.transform = torchaudio.transforms.MFCC(n_mfcc=40)

    def __call__(self, sample):
        sample_id, signal, class_idx = sample
        return sample_id, self.transform(signal), class_idx


def collate(samples):
    """Ids, features and classes of a batch."""
    ids, features, classes = zip(*samples, strict=True)
    labels = None if classes[0] is None else torch.tensor(classes)
    return list(ids), torch.stack(features), labels


def sample_pipe(shards, workers):
    """All samples of some shards; each worker takes its part of the shards.

    The skeleton also cuts the list of shards to a length that the workers can share, but does that
    before they share it, and so reads a part of the data only. Here all of it is read.
    """
    if len(shards) < workers:
        raise ValueError(f"{len(shards)} shards for {workers} workers")
    pipe = pipes.IterableWrapper([str(shard) for shard in shards])
    if workers:
        pipe = pipes.ShardingFilter(pipe)
    pipe = pipes.TarArchiveLoader(pipes.FileOpener(pipe, mode="b"), mode="r")
    return pipes.Mapper(pipes.WebDataset(pipes.Mapper(pipe, decode)), to_sample)


def make_loader(pipe, batch_size, workers):
    """A loader of batches that the workers make."""
    pipe = pipes.Batcher(pipe, batch_size, wrapper_class=collate)
    return torch.utils.data.DataLoader(pipe, batch_size=None, num_workers=workers)


class SkeletonPipes:
    """Gives features, not crops."""

    def __init__(self, corpus):
        require_torchdata()
        self.shards = corpus.train_urls

    def _pipe(self, workers):
        return pipes.Mapper(pipes.Mapper(sample_pipe(self.shards, workers), chunk), SampleMfcc())

    def crops(self, epoch):
        """Features one by one, in the order of the shards."""
        for _, features, _ in self._pipe(0):
            yield features.flatten()

    def batches(self, epoch, workers):
        """Batches of features."""
        for _, features, _ in make_loader(self._pipe(workers), BATCH, workers):
            yield features.flatten(1)
