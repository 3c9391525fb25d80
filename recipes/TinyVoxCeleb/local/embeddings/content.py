"""What embeddings depend on, told by content: the trained network, and the audio."""

import hashlib
import time
from pathlib import Path

from tqdm import tqdm

from local.errors import RecipeError

CLOCK_TICK = 2 * 10**9  # ns: the coarsest file times in use, those of FAT


def find_bundle(checkpoint):
    """The folder with the trained network of a run.

    Arguments
    ---------
    checkpoint : str or Path
        Output folder of a run, or its inference folder.

    Returns
    -------
    Path

    Raises
    ------
    RecipeError
        If there is no trained network.
    """
    for folder in (Path(checkpoint) / "inference", Path(checkpoint)):
        if (folder / "label_encoder.ckpt").is_file():
            return folder.absolute()
    raise RecipeError(
        f"{checkpoint}: no trained network here: expected the output folder of a complete run, "
        "with inference/ in it; run the training to its end"
    )


def checkpoint_digest(bundle):
    """Digest of a trained network: its parameters, its hyperparameters and its code.

    Arguments
    ---------
    bundle : Path
        An inference folder. The line of hyperparams.yaml that tells where the folder lies is left
        out, so that a run that was moved keeps its digest.

    Returns
    -------
    str
        SHA-256, in hexadecimal digits.
    """
    total = hashlib.sha256()
    # The code in subfolders is the network's; that beside them verifies, and embeds nothing.
    files = [*bundle.glob("*.ckpt"), *bundle.glob("*/**/*.py"), bundle / "hyperparams.yaml"]
    for path in sorted(files, key=lambda path: path.relative_to(bundle).as_posix()):
        content = path.read_bytes()
        if path.suffix == ".yaml":
            lines = content.splitlines()
            content = b"\n".join(line for line in lines if not line.startswith(b"pretrained_path:"))
        name = path.relative_to(bundle).as_posix()
        total.update(f"{name} {hashlib.sha256(content).hexdigest()}\n".encode())
    return total.hexdigest()


def shard_states(shards):
    """What the file system tells of shards, by which a changed one is known without reading it.

    Arguments
    ---------
    shards : list of Path

    Returns
    -------
    list of dict
        path, size, mtime_ns and ctime_ns of each. The last, unlike the others, cannot be carried
        over to another file by those who copy it.
    """
    states = []
    for shard in shards:
        stat = shard.stat()
        state = {"path": str(shard.resolve()), "size": stat.st_size}
        states.append({**state, "mtime_ns": stat.st_mtime_ns, "ctime_ns": stat.st_ctime_ns})
    return states


def shard_records(shards, known=()):
    """The states of shards with the digests of their content, read only where it is not known.

    As in git's index, a digest is taken as known for a file whose path, size and times are those
    with which it was written down.

    Arguments
    ---------
    shards : list of Path
    known : iterable of dict
        Records of earlier calls.

    Returns
    -------
    list of dict
        As `shard_states`, and sha256. A shard that changed a moment ago may change once more
        within the tick of its clock: its ctime_ns is None, and so its record is never taken as
        known.
    """
    states = shard_states(shards)
    digests = {_state(record): record.get("sha256") for record in known}
    unknown = [state["size"] for state in states if not digests.get(_state(state))]
    records = []
    bar = {"total": sum(unknown), "unit": "B", "unit_scale": True, "delay": 2, "leave": False}
    with tqdm(desc="reading shards", **bar, dynamic_ncols=True) as progress:
        for state in states:
            digest = digests.get(_state(state))
            if digest is None:
                if time.time_ns() - max(state["mtime_ns"], state["ctime_ns"]) < CLOCK_TICK:
                    state = {**state, "ctime_ns": None}
                with open(state["path"], "rb") as fin:
                    digest = hashlib.file_digest(fin, "sha256").hexdigest()
                progress.update(state["size"])
            records.append({**state, "sha256": digest})
    return records


def _state(record):
    return tuple(record.get(key) for key in ("path", "size", "mtime_ns", "ctime_ns"))
