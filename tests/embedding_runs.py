"""Runs with random networks, shards of noise, and the command that embeds them."""

import itertools
from types import SimpleNamespace

import torch
from hyperpyyaml import load_hyperpyyaml

from conftest import RECIPE
from local.bundle.writing import write_inference_bundle
from local.embeddings import __main__ as command_line
from shard_writing import member_pair, wav_bytes, write_tar

FEATURES = """
compute_features: !new:speechbrain.lobes.features.Fbank
  n_mels: 24
mean_var_norm: !new:speechbrain.processing.features.InputNormalization
  norm_type: {norm_type}
  std_norm: False
"""
REST = """
mean_var_norm_emb: !new:speechbrain.processing.features.InputNormalization
classifier: !new:torch.nn.Identity
"""
PROTOTYPE = (
    """
compute_features: !new:speaker_models.mfcc.Mfcc
mean_var_norm: !new:speechbrain.nnet.containers.LengthsCapableSequential
  none: !new:torch.nn.Identity
embedding_model: !new:speaker_models.prototype.Prototype
  embedding_size: 16
"""
    + REST
)
ECAPA = """
embedding_model: !new:speechbrain.lobes.models.ECAPA_TDNN.ECAPA_TDNN
  input_size: 24
  channels: [16, 16, 16, 16, 48]
  attention_channels: 8
  se_channels: 8
  lin_neurons: 16
"""
XVECTOR = """
embedding_model: !new:speechbrain.lobes.models.Xvector.Xvector
  in_channels: 24
  tdnn_channels: [16, 16, 16, 16, 48]
  lin_neurons: 16
"""
RESNET = """
embedding_model: !new:speechbrain.lobes.models.ResNet.ResNet
  input_size: 24
  channels: [8, 8, 16, 16]
  block_sizes: [1, 1, 1, 1]
  lin_neurons: 16
"""
BY_SENTENCE = FEATURES.format(norm_type="sentence") + REST
NETWORKS = {
    "prototype": (PROTOTYPE, "mixed"),
    "ecapa": (BY_SENTENCE + ECAPA, "equal"),
    "xvector": (BY_SENTENCE + XVECTOR, "equal"),
    "resnet": (BY_SENTENCE + RESNET, "equal"),
    "normalised by batch": (FEATURES.format(norm_type="batch") + REST + XVECTOR, "single"),
}
LENGTHS = (16000, 30007, 5000, 16000, 24000, 9999, 16000, 24000)  # audio samples


def chain(lists):
    return list(itertools.chain.from_iterable(lists))


def make_run(folder, hparams=PROTOTYPE, seed=0):
    """A run whose network is random, with batch statistics as if it had been trained."""
    torch.manual_seed(seed)
    modules = load_hyperpyyaml(hparams)
    model = modules["embedding_model"]
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), folder / "model.ckpt")
    checkpoint = SimpleNamespace(paramfiles={"embedding_model": folder / "model.ckpt"})
    code = RECIPE / "speaker_models"
    write_inference_bundle(folder / "inference", hparams, checkpoint, ["a", "b"], code, modules)
    return folder


def make_shards(folder, lengths=LENGTHS, seed=0, speaker="s"):
    """Noise of different loudness in two shards."""
    pairs = []
    for number, length in enumerate(lengths):
        audio = wav_bytes(length, seed=seed + number, fade=number)
        pairs.append(member_pair(number, f"{speaker}{number % 3}/y/{number}", None, length, audio))
    half = len(pairs) // 2
    write_tar(folder / "shard-000000.tar", chain(pairs[:half]))
    write_tar(folder / "shard-000001.partial.tar", chain(pairs[half:]))
    return folder


def random_run(tmp_path):
    """To be made a fixture: a run for one test."""
    return make_run(tmp_path / "run")


def shards_of_noise(tmp_path_factory):
    """To be made a fixture: shards that no test alters."""
    return make_shards(tmp_path_factory.mktemp("shards") / "dev")


def embed(run, folders, out, *options):
    options = ("--device", "cpu", "--num_workers", "0", *options)
    shown = ",".join(map(str, folders))
    command_line.main([str(run), "--shards", shown, "--out", str(out), *options])
    return out
