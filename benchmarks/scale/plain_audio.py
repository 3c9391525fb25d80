"""Compare embedding from a folder of audio with embedding from shards of it, as a Markdown table.

All audio is in the cache of the system, and the network is loaded. The time from the names of the
utterances to their embeddings counts: files are found and read, shards indexed, digests taken, and
embeddings kept. The second call finds them. The networks have random parameters: the cheapest of
the recipe, beside which reading weighs most, and a common one. Each ratio is the median of rounds
in which both take turns, with the least and the greatest; that of processor time, which other work
on the machine changes little, is of all processes together.
"""

import resource
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import torch
from hyperpyyaml import load_hyperpyyaml

from benchmarks import RECIPE
from benchmarks.corpus import make_corpus
from benchmarks.measuring import ratio
from local.bundle.writing import write_inference_bundle
from local.corpora.named_files import NamedFiles, name_all
from local.embeddings import Embedder

UTTERANCES, SECONDS, ROUNDS = 400, 8, 3
WORKERS = 2
NETWORKS = {
    "prototype": """
compute_features: !new:speaker_models.mfcc.Mfcc
mean_var_norm: !new:speechbrain.nnet.containers.LengthsCapableSequential
  none: !new:torch.nn.Identity
embedding_model: !new:speaker_models.prototype.Prototype
  embedding_size: 128
""",
    "ECAPA-TDNN, 64 channels": """
compute_features: !new:speechbrain.lobes.features.Fbank
  n_mels: 80
mean_var_norm: !new:speechbrain.processing.features.InputNormalization
  norm_type: sentence
  std_norm: False
embedding_model: !new:speechbrain.lobes.models.ECAPA_TDNN.ECAPA_TDNN
  input_size: 80
  channels: [64, 64, 64, 64, 192]
  lin_neurons: 96
""",
}
REST = """
mean_var_norm_emb: !new:speechbrain.processing.features.InputNormalization
classifier: !new:torch.nn.Identity
"""


def make_run(folder: Path, hparams: str) -> Path:
    """A run whose network has random parameters."""
    torch.manual_seed(0)
    modules = load_hyperpyyaml(hparams + REST)
    folder.mkdir(parents=True)
    torch.save(modules["embedding_model"].state_dict(), folder / "model.ckpt")
    checkpoint = SimpleNamespace(paramfiles={"embedding_model": folder / "model.ckpt"})
    code = RECIPE / "speaker_models"
    bundle = folder / "inference"
    write_inference_bundle(bundle, hparams + REST, checkpoint, ["a", "b"], code, modules)
    return folder


def from_shards(embedder, corpus, names):
    """Embed all utterances of the shards."""
    embedder.embed(embedder.look_up([corpus.shards / "train"]))


def from_files(embedder, corpus, names):
    """Embed the utterances that have these names in the folder of the same audio."""
    folder = corpus.folder / "train"
    found = NamedFiles(folder).find(names)
    embedder.embed_files(folder, {name: file.path for name, file in found.items()})


def processor_time():
    """Seconds that this process, and those that it has started and that have ended, computed."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def seconds(way, run, corpus, names):
    """How long a way takes, by the clock and of processors, and again, when all is kept."""
    shutil.rmtree(run / "embeddings", ignore_errors=True)
    embedder = Embedder(run, device="cpu", num_workers=WORKERS, progressbar=False)
    assert embedder.rule  # the network is loaded
    computed, start = processor_time(), time.perf_counter()
    way(embedder, corpus, names)
    first, computed = time.perf_counter() - start, processor_time() - computed
    start = time.perf_counter()
    way(embedder, corpus, names)
    return first, computed, time.perf_counter() - start


def measure(folder: Path) -> list[str]:
    """The lines of a table: seconds of each way, and how many times as long plain audio takes."""
    corpus = make_corpus(folder, train=UTTERANCES, val=200, seconds=SECONDS)
    names = list(name_all(corpus.folder / "train"))
    lines = [
        f"| {UTTERANCES} utterances of {SECONDS} s | from shards | from files | ratio | that of "
        "processor time | again, from shards | from files |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, hparams in NETWORKS.items():
        run = make_run(folder / name, hparams)
        rounds = [
            [seconds(way, run, corpus, names) for way in (from_shards, from_files)]
            for _ in range(ROUNDS + 1)
        ][1:]  # the first brings all into the cache of the system
        ways = (zip(*way, strict=True) for way in zip(*rounds, strict=True))
        (shards, cpu, again), (files, cpu_files, again_files) = ways
        cells = [f"{min(shards):.2f} s", f"{min(files):.2f} s"]
        for pair in ((files, shards), (cpu_files, cpu)):
            cells.append("{:.2f} ({:.2f} to {:.2f})".format(*ratio(*pair)))
        cells += [f"{min(again):.3f} s", f"{min(again_files):.3f} s"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines
