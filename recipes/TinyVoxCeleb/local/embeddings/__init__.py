"""From a trained network and shards to one embedding an utterance."""

from local.bundle.loading import load_encoder
from local.embeddings.content import find_bundle
from local.embeddings.embedder import Embedder, get_embeddings
from local.embeddings.files import read_embeddings, write_embeddings
from local.embeddings.table import Embeddings, join

__all__ = [
    "Embedder",
    "Embeddings",
    "find_bundle",
    "get_embeddings",
    "join",
    "load_encoder",
    "read_embeddings",
    "write_embeddings",
]
