#!/usr/bin/env python3
"""Compare the size and the cost of the networks, as a Markdown table.

> python -m benchmarks.networks

Parameters without the classifier's; multiply-adds of the network for a second of speech, features
excluded; real-time factor of features and network on one CPU thread: seconds that it works for a
second of speech (of CPU time, so that other work on the machine counts little).

Authors
 * The TinyVoxCeleb authors 2026
"""

import argparse
import io
import statistics
import time

import torch
from hyperpyyaml import load_hyperpyyaml, resolve_references
from ruamel.yaml import YAML
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import RECIPE
from local.hparams import complete_text

SAMPLE_RATE, SECONDS = 16000, 10  # of the speech that is embedded
MODULES = ("compute_features", "mean_var_norm", "embedding_model", "classifier")
ECAPA = {"attention_channels": 128, "embedding_size": 192}
RESNET = {"base_channels": 32, "embedding_size": 256}
ROWS = {  # the hparams file, and what is changed of it
    "prototype": ("prototype", {}),
    "x-vector, small": ("xvector", {}),
    "x-vector": ("xvector", {"channels": [512, 512, 512, 512, 1500], "embedding_size": 512}),
    "ECAPA-TDNN, 64 channels": ("ecapa_tdnn", {}),
    "ECAPA-TDNN, 512 channels": ("ecapa_tdnn", {"channels": [512] * 4 + [1536], **ECAPA}),
    "ECAPA-TDNN, 1024 channels": ("ecapa_tdnn", {"channels": [1024] * 4 + [3072], **ECAPA}),
    "ResNet10, narrow": ("resnet", {}),
    "ResNet10": ("resnet", RESNET),
    "ResNet18": ("resnet", {"blocks": [2, 2, 2, 2], **RESNET}),
    "ResNet34": ("resnet", {"blocks": [3, 4, 6, 3], **RESNET}),
    "CAM++, small": ("cam_plus_plus", {}),
    "CAM++": (
        "cam_plus_plus",
        {
            "front_channels": 32,
            "init_channels": 128,
            "growth": 32,
            "blocks": [12, 24, 16],
            "embedding_size": 512,
        },
    ),
}


def load_modules(hparams: str, changes: dict, n_speakers: int) -> torch.nn.ModuleDict:
    """The modules of hparams/<hparams>.yaml with some of its keys changed, for evaluation.

    No data is needed.
    """
    given = dict.fromkeys(("shard_folder", "val_trials_path", "dev_trials_path"), "-")
    text = complete_text(RECIPE / "hparams" / f"{hparams}.yaml")
    yaml, chosen = YAML(), io.StringIO()
    resolved = yaml.load(resolve_references(text, {**given, **changes}))
    resolved["classifier"]["out_neurons"] = n_speakers  # the data would tell
    yaml.dump({key: resolved[key] for key in MODULES}, chosen)
    return torch.nn.ModuleDict(load_hyperpyyaml(chosen.getvalue())).eval()


def size(module: torch.nn.Module) -> int:
    """Number of parameters."""
    return sum(parameter.numel() for parameter in module.parameters())


@torch.inference_mode()
def measure(modules: torch.nn.ModuleDict, repeats: int) -> tuple[int, int, float, float]:
    """Parameters, those of the classifier, multiply-adds a second, and real-time factor.

    The latter is the median of `repeats` timings.
    """

    def features():
        return modules["mean_var_norm"](modules["compute_features"](signals), lengths)

    generator = torch.Generator().manual_seed(0)
    signals = torch.randn(1, SECONDS * SAMPLE_RATE, generator=generator) / 10
    lengths = torch.ones(1)
    parameters, of_classifier = (size(modules[key]) for key in ("embedding_model", "classifier"))
    with FlopCounterMode(display=False) as counter:
        computed = features()
        before = counter.get_total_flops()
        modules["embedding_model"](computed, lengths)
    multiply_adds = (counter.get_total_flops() - before) / 2
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        modules["embedding_model"](features(), lengths)
        seconds.append(time.process_time() - start)
    return (
        parameters,
        of_classifier,
        multiply_adds / SECONDS,
        statistics.median(seconds) / SECONDS,
    )


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), help="all of them")
    parser.add_argument("--n_speakers", type=int, default=100, help="classes of the classifier")
    parser.add_argument("--repeats", type=int, default=9, help="of the timing; the median is shown")
    args = parser.parse_args()
    torch.set_num_threads(1)
    print("| network | parameters | classifier | multiply-adds, 1 s | real-time factor |")
    print("|---|---|---|---|---|")
    for row in args.rows:
        modules = load_modules(*ROWS[row], args.n_speakers)
        parameters, of_classifier, multiply_adds, factor = measure(modules, args.repeats)
        print(
            f"| {row} | {parameters:,} | {of_classifier:,} | {multiply_adds / 1e6:,.1f} M | "
            f"{factor:.4f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
