"""What a run leaves, the inference bundle: how it is found, loaded and used."""

from local.bundle.finding import checkpoint_digest, find_bundle
from local.bundle.loading import batching, encode, load_encoder

__all__ = ["batching", "checkpoint_digest", "encode", "find_bundle", "load_encoder"]
