"""One request a sample: what SpeechBrain's list of files becomes on a server."""

import csv
import io
import os
import random

import requests
import soundfile as sf
import torch

from benchmarks.peers import BATCH, CROP


class HttpFiles(torch.utils.data.Dataset):
    """Fetches the files of a CSV."""

    def __init__(self, corpus):
        with open(corpus.csv, encoding="utf-8", newline="") as fin:
            self.urls = [row["wav"] for row in csv.DictReader(fin)]
        self.session, self.owner = None, None

    def __len__(self):
        return len(self.urls)

    def __getitem__(self, number):
        if self.owner != os.getpid():  # a connection a worker, kept open
            self.session, self.owner = requests.Session(), os.getpid()
        answer = self.session.get(self.urls[number], timeout=60)
        answer.raise_for_status()
        signal, _ = sf.read(io.BytesIO(answer.content), dtype="float32")
        start = random.randint(0, len(signal) - CROP)
        return torch.from_numpy(signal[start : start + CROP])

    def crops(self, epoch):
        """One by one, in random order."""
        order = random.Random(epoch).sample(range(len(self)), len(self))
        return (self[number] for number in order)

    def batches(self, epoch, workers):
        """Batches of a DataLoader."""
        return iter(torch.utils.data.DataLoader(self, BATCH, shuffle=True, num_workers=workers))
