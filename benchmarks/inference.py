#!/usr/bin/env python3
"""Compare a trained network in torch with its exports, as Markdown tables.

> python -m benchmarks.inference --checkpoint RUN_FOLDER --exported EXPORTED_FOLDER

EXPORTED_FOLDER is what export.py with --quantize has left. The first table has the real-time factor
of features and network for utterances of 3, 10 and 60 s of artificial voices, each way of running
in a process of its own, and in brackets how many times as fast as torch on as many threads that is.
Networks of others, which benchmarks.limited_data.peers names, take part where their packages are.
The second has a whole process that hears two files of 3 s, from its start to its answer, by the
clock, and the most memory that it takes.

Authors
 * The TinyVoxCeleb authors 2026
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile as sf

from benchmarks import RECIPE
from benchmarks.limited_data.peers import PEERS
from benchmarks.measuring import in_process
from local.bundle.export.writing import NETWORK, QUANTIZED
from local.errors import RecipeError
from local.layout import SAMPLE_RATE

SECONDS = (3, 10, 60)
ENOUGH = 5.0  # s, that one utterance's measurement takes at the most
FRESH = """
import sys
sys.path.insert(0, sys.argv[1])
from speechbrain.inference.interfaces import foreign_class
verifier = foreign_class(
    source=sys.argv[2], pymodule_file="speaker_encoder.py", classname="SpeakerEncoder"
)
print(verifier.embed_files(*sys.argv[3:]).shape)
"""
# A small process that starts another: the memory of this one would count as that of the other.
WAITING = """
import os, subprocess, sys, time
start = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
process.returncode = os.waitstatus_to_exitcode(status)
print(process.returncode, time.perf_counter() - start, usage.ru_maxrss)
"""


def torch_network(bundle, threads):
    """What embeds a signal by torch."""
    import torch

    from local.bundle import encode, load_encoder

    torch.set_num_threads(threads)
    encoder = load_encoder(bundle, "cpu")
    return lambda signal: encode(encoder, [signal])


def onnx_network(path, threads):
    """What embeds a signal by onnxruntime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), options)
    return lambda signal: session.run(None, {"waveforms": signal[None]})


def peer_network(name, threads):
    """What embeds a signal by a network of others."""
    import torch

    torch.set_num_threads(threads)
    embed = PEERS[name]()
    return torch.inference_mode()(lambda signal: embed(torch.from_numpy(signal)))


def voice(seconds, seed=0):
    """So many seconds of an artificial voice, float32 of shape (time,)."""
    from local.corpora.artificial_voices import draw_voice, record, speak

    rng = np.random.default_rng(seed)
    return record(speak(draw_voice(rng, "f"), rng, seconds), rng).astype(np.float32)


def measure(make, path, threads, signals, repeats, pipe):
    """Send the least time (s) that each of the signals takes; None where a package is missing."""
    try:
        network, times = make(path, threads), []
    except (RecipeError, ImportError) as error:
        print(f"(left out: {error})", file=sys.stderr)
        pipe.send(None)
        return
    for signal in signals:
        network(signal)
        found, began = [], time.perf_counter()
        while len(found) < repeats and time.perf_counter() - began < ENOUGH:
            start = time.perf_counter()
            network(signal)
            found.append(time.perf_counter() - start)
        times.append(min(found))
    pipe.send(times)


def fresh_processes(bundle, exported, repeats):
    """How long whole processes take that hear two files of 3 s, by the clock."""
    with tempfile.TemporaryDirectory() as folder:
        files = [f"{folder}/{number}.wav" for number in range(2)]
        for number, file in enumerate(files):
            sf.write(file, voice(3.0, seed=number), SAMPLE_RATE)
        commands = {"torch": ["-c", FRESH, RECIPE, bundle, *files]}
        for name, network in (("ONNX", NETWORK), ("ONNX int8", QUANTIZED)):
            script = exported / "speaker_onnx.py"
            commands[name] = [script, "verify", *files, "--network", network]
        for name, command in commands.items():
            answers = [whole_process(name, command) for _ in range(repeats)]
            yield name, *map(statistics.median, zip(*answers, strict=True))


def whole_process(name, command):
    """The seconds that a command of Python takes, and its memory in MiB."""
    command = [sys.executable, "-c", WAITING, sys.executable, *map(str, command)]
    done = subprocess.run(command, capture_output=True, text=True)
    code, seconds, memory = done.stdout.split()
    if int(code) > 1:
        raise SystemExit(f"{name}: ends with {code}: {done.stderr}")
    return float(seconds), float(memory) / 1024


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--exported", type=Path, required=True)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=int, nargs="+", default=SECONDS)
    parser.add_argument("--repeats", type=int, default=20)
    args = parser.parse_args()
    bundle, exported = args.checkpoint.resolve() / "inference", args.exported.resolve()
    ways = {
        "torch": (torch_network, bundle),
        "ONNX": (onnx_network, exported / NETWORK),
        "ONNX int8": (onnx_network, exported / QUANTIZED),
        **{name: (peer_network, name) for name in PEERS},
    }
    signals = [voice(seconds) for seconds in args.seconds]
    print(f"| | threads |{''.join(f' {n} s |' for n in args.seconds)}")
    print("|---|---|" + "---|" * len(args.seconds))
    for threads in args.threads:
        slowest = None
        for name, way in ways.items():
            times = in_process(measure, *way, threads, signals, args.repeats)
            if times is None:
                continue
            slowest = slowest or times
            cells = (
                f" {took / length:.4f} (x{torchs / took:.1f}) |"
                for took, torchs, length in zip(times, slowest, args.seconds, strict=True)
            )
            print(f"| {name} | {threads} |{''.join(cells)}", flush=True)
    print("\n| fresh process | s | MiB |\n|---|---|---|")
    for name, took, memory in fresh_processes(bundle, exported, max(args.repeats // 4, 1)):
        print(f"| {name} | {took:.2f} | {memory:.0f} |", flush=True)


if __name__ == "__main__":
    main()
