"""Training on crops that are augmented, of shards that are streamed."""

import re

import pytest

from conftest import RECIPE
from http_server import HttpServer
from running import train

pytestmark = pytest.mark.long


def test_the_best_recipe_over_streamed_shards(small, tmp_path):
    """Augmentation follows from the seed of each crop, which streams once did not give."""
    text = (RECIPE / "hparams/best.yaml").read_text()
    unpaired = tmp_path / "unpaired.yaml"  # streams have no groups of crops of one speaker
    unpaired.write_text(re.sub(r"(?m)^ +embedding_cost: .*\n", "", text))
    options = ("--base_channels", "4", "--embedding_size", "16", "--rooms", "3", "--epochs", "1")
    options += ("--audio_length_num_frames", "12000", "--crops_per_utterance", "1")
    options += ("--crops_per_speaker", "1", "--shard_cache", "")
    with HttpServer(small.shards) as server:
        options += ("--train_shards", f"{server.url}/train")
        run = train(small, tmp_path / "run", *options, hparams=str(unpaired))
    assert (run / "inference").is_dir()
