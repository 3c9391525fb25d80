#!/usr/bin/env python3
r"""Export a trained network as one ONNX file, with a script that runs it without torch.

To run this recipe:
> pip install -r ../../requirements_export.txt
> python export.py --checkpoint RUN_FOLDER --out exported
> python exported/speaker_onnx.py verify one.wav other.wav

The file goes from waveforms (batch, time), 16 kHz, to embeddings (batch, dimension), and holds the
threshold, if one has been fitted. Nothing is left unless it gives what the network gives, on speech
of 0.3 to 60 s. A network of 8 bits is measured on the dev trials of the run.

Authors
 * The TinyVoxCeleb authors 2026
"""

import argparse
import functools
import sys
from pathlib import Path

from local.errors import RecipeError, one_line_errors  # isort: skip - first, see local

from local.bundle import find_bundle
from local.embeddings.exported import embed_exported
from local.experiment import read_record
from local.files import atomic_folder, check_writable, split_paths
from local.hparams import RECORD, plain_values
from local.metrics.labelled_trials import equal_error_rate
from local.scoring.backends import Backend
from local.scoring.trial_scores import read_labelled_trials, score_trials

PACKAGES = ("onnx", "onnxruntime")


def parse(argv):
    """The options."""
    about, _, more = __doc__.partition("\n\n")
    form = argparse.RawDescriptionHelpFormatter
    more = more.partition("Authors")[0]
    parser = argparse.ArgumentParser(description=about, epilog=more, formatter_class=form)
    add = parser.add_argument
    add("--checkpoint", required=True, help="output folder of a complete run")
    add("--out", required=True, help="folder to make; an old one is replaced")
    add("--licence", default="not stated", help="of the network, for its metadata")
    add("--quantize", action="store_true", help="leave a network of 8 bits beside the other")
    add("--max_eer_rise", type=float, default=0.005, help="by 8 bits, at the most (0.005)")
    add("--dev_shards", default="", help="folders with shard-*.tar (those of the run)")
    add("--dev_trials_path", default="", help="a list with labels (that of the run)")
    add("--debug", action="store_true", help="show tracebacks")
    return parser.parse_args(argv)


def check_out(out):
    """Check that a folder can be made there, and that none is replaced but of an older export."""
    out = Path(out).absolute()
    check_writable(out.parent / f".{out.name}")
    free = not out.exists() or (out / "speaker_onnx.py").is_file()
    if not free and not (out.is_dir() and not any(out.iterdir())):
        raise RecipeError(f"--out {out}: holds something else: give a folder of its own")


def load_exporter():
    """The parts that need packages of their own, which a RecipeError names."""
    try:
        from local.bundle.export import parity, writing
    except ModuleNotFoundError as error:
        if error.name.partition(".")[0] not in PACKAGES:
            raise
        raise RecipeError(
            f"the package {error.name} is not installed: pip install -r requirements_export.txt, "
            "in the project's folder"
        ) from None
    return parity, writing


def dev_data(args):
    """Folders of the dev shards and the path of the dev trials, as given or as the run had them."""
    record = plain_values(read_record(find_bundle(args.checkpoint) / RECORD))
    shards = args.dev_shards or str(record.get("dev_shards", ""))
    trials = args.dev_trials_path or str(record.get("dev_trials_path", ""))
    if not (shards and trials):
        raise RecipeError(
            f"{args.checkpoint}: no record of dev trials, on which 8 bits are measured: give "
            "--dev_shards and --dev_trials_path"
        )
    return split_paths(shards), trials


def measure(parity, networks, folders, path):
    """The EER, by cosine, of each of the exported networks on a trial list."""
    rates = []
    for network in networks:
        embed = functools.partial(parity.embed, parity.open_network(network))
        table = embed_exported(embed, folders)
        trials = read_labelled_trials(path, table.ids)
        rates.append(
            equal_error_rate(score_trials(Backend("cosine"), table, trials), trials.labels)
        )
    return rates


def check_quantized(args, parity, networks, data):
    """Print what 8 bits cost; a RecipeError where that is more than the limit."""
    exact, quantized = measure(parity, networks, *data)
    print(f"dev EER: {exact:.2%} as float, {quantized:.2%} as int8")
    if not quantized - exact <= args.max_eer_rise:
        raise RecipeError(
            f"int8 raises the dev EER by {quantized - exact:.2%}, more than --max_eer_rise "
            f"{args.max_eer_rise:g}; nothing is left: give a higher limit, or no --quantize"
        )


def main(argv):
    """Parse, export, compare, measure, leave."""
    args = parse(argv)
    with one_line_errors(args.debug):
        parity, writing = load_exporter()
        check_out(args.out)
        data = dev_data(args) if args.quantize else None
        with atomic_folder(args.out) as folder:
            exported = writing.write_export(folder, args.checkpoint, args.licence, args.quantize)
            if args.quantize:
                networks = [folder / name for name in (writing.NETWORK, writing.QUANTIZED)]
                check_quantized(args, parity, networks, data)
        print(
            f"{args.out}: {writing.NETWORK}, {exported.dimension} dimensions; on {exported.origin} "
            f"its cosine with the network is {exported.cosine:.7f} at least"
        )
        if not exported.threshold:
            print(
                "no threshold has been fitted to this network: speaker_verification.py with "
                "--calibration_trials does that; then export it again"
            )


if __name__ == "__main__":
    main(sys.argv[1:])
