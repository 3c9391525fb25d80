"""Ways of reading training crops, each as its users write it.

A peer is a class that is made of a Corpus and gives float or 16-bit crops of `CROP` samples:
`crops(epoch)` one by one or batch by batch in this process, `batches(epoch, workers)` through a
DataLoader.
"""

CROP = 48_000  # 3 s at 16 kHz
BATCH = 128


class MissingPeerError(Exception):
    """A package that a peer needs is absent; the message says how to install it."""
