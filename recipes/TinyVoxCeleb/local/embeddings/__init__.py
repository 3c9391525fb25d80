"""From a trained network and shards to one embedding an utterance."""

from local.embeddings.embedder import Embedder, get_embeddings
from local.embeddings.table import Embeddings, join, read_embeddings, write_embeddings

__all__ = [
    "Embedder",
    "Embeddings",
    "get_embeddings",
    "join",
    "read_embeddings",
    "write_embeddings",
]
