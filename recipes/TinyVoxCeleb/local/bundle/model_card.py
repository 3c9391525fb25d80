"""The model card of a trained network: the README.md that the Hugging Face Hub shows [1].

It tells what the run's own records tell, and calls unknown what they do not: where the data are
from, and under which licence the network may be used.

References
----------
[1] M. Mitchell et al., "Model cards for model reporting", FAT* 2019.
"""

import pickle
import re
import shlex
from pathlib import Path

import torch
import yaml

from local.errors import RecipeError
from local.experiment import TESTED, read_record
from local.files import atomic_file
from local.hparams import RECORD, settings

CARD = "README.md"
OWN = "<!-- Made by training, and again with each result: remove this line to keep your words. -->"
RESULT = re.compile(r"\((?P<who>[^()]*)\): EER (?P<eer>[\d.]+)%[^;]*?")
INTERVAL = re.compile(r"95 % interval (?P<low>[\d.]+)% to (?P<high>[\d.]+)%")
UNKNOWN = "unknown: nobody has told it; write it here before you share the network"

NOT_TOLD = "No result is recorded."

BODY = """
# {name}: embeddings of speakers

{own}

A network that turns a recording of speech into a vector of {size} numbers, which lie near each
other for one speaker. It was trained by a recipe of [SpeechBrain](https://speechbrain.github.io),
and is loaded by SpeechBrain.

| | |
|---|---|
| Hyperparameters | {hparams}, all in `{record}` |
| Features | `{features}`, audio at 16 kHz |
| Network | {network} |
| Training data | {data} |
| Where the data are from | {unknown} |
| Language | {unknown} |
| Licence | {unknown} |

## Results

{result}

The EER is that of the convex hull of the ROC; the interval is a bootstrap over speakers. It holds
for recordings like those of the test, and for no others without a test of their own.

## Decisions

{decision}

## Intended use

To tell whether two recordings are of one speaker, to find a speaker among enrolled ones, and to
group recordings by speaker, where the speakers have agreed to it.

## Limits

- Who is not like the training speakers, in language, age or accent, and what was recorded
  otherwise, is told apart worse. How much worse is not known without a test on such recordings.
- Nothing here notices a recording that is played back, or speech that a machine has made: by
  itself this is no lock.
- A decision has errors of both kinds. It is evidence, and proves the identity of no one.
- Less than 0.5 s of speech, and recordings without any, are refused with an error.

## How to load it

    pip install speechbrain soundfile av silero-vad scipy

```python
from huggingface_hub import snapshot_download
from speechbrain.inference.interfaces import foreign_class

folder = snapshot_download("USER/NAME")  # or the path of this folder
{loading} = foreign_class(
    source=folder,
    pymodule_file="{file}.py",
    classname="{classname}",
    overrides={{"pretrained_path": folder}},
)
{use}
```

The folder holds code, which runs when it is loaded: load networks only of those you trust.
"""


def make_card(bundle: Path, result: str = "", decision: dict | None = None) -> dict[str, bytes]:
    """The file of the card, by its name, for a bundle.

    There is none where a person has written their own, or no record tells what the network is.

    Arguments
    ---------
    bundle
        The inference bundle.
    result
        How the network did in its test, as the run's dev_eer.txt has it; "" where that is unknown.
    decision
        What decision.json is to hold, where there is a threshold.
    """
    path = bundle / CARD
    old = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else OWN
    if OWN not in old:
        return {}
    told = re.search("## Results\n\n(.*)\n\nThe EER is", old)  # of a folder that was copied alone
    result = result.strip() or (told[1] if told else NOT_TOLD)
    try:
        record = read_record(bundle / RECORD)
    except (OSError, RecipeError):  # of a former version, or damaged: the network still decides
        return {}
    name = _hparams_file(record)
    head = yaml.safe_dump(_head(name, result), sort_keys=False, allow_unicode=True)
    body = BODY.format(
        **_network(bundle, settings(record)),
        **_loading(decision),
        name=name,
        own=OWN,
        hparams=f"`{name}.yaml`" if name in record.splitlines()[0] else "made in a program",
        record=RECORD,
        result=result,
        decision=_decision(decision),
        unknown=UNKNOWN,
    )
    return {CARD: f"---\n{head}---\n{body}".encode()}


def write_card(bundle: Path, result: str = "") -> None:
    """Write the card of a bundle for which no threshold has been fitted."""
    for name, content in make_card(bundle, result).items():
        with atomic_file(bundle / name, "wb") as fout:
            fout.write(content)


def known_result(bundle: Path) -> str:
    """How the network of a bundle did in its test; "" where nothing tells it."""
    path = bundle.parent / TESTED
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _head(name, result):
    """What the Hub reads: its words for the task, licence, library and results."""
    head = {
        "library_name": "speechbrain",
        "pipeline_tag": "audio-classification",  # where the Hub files speaker recognition
        "license": "unknown",
        "tags": [
            *("speechbrain", "speaker-recognition", "speaker-verification"),
            *("speaker-identification", "speaker-embedding", "audio", "pytorch"),
        ],
        "metrics": ["eer"],
    }
    if found := RESULT.search(result):
        metric = {"type": "eer", "name": "EER (%)", "value": float(found["eer"])}
        if interval := INTERVAL.search(result):
            low, high = (float(interval[end]) for end in ("low", "high"))
            metric["name"] = f"EER (%), 95% interval {low} to {high}"
            metric["args"] = {"low": low, "high": high, "confidence": 0.95}
        dataset = {"type": "unknown", "name": f"dev trials ({found['who']})", "split": "dev"}
        task = {"type": "audio-classification", "name": "Speaker verification"}
        results = [{"task": task, "dataset": dataset, "metrics": [metric]}]
        head["model-index"] = [{"name": name, "results": results}]
    return head


def _hparams_file(record):
    """The name of the hparams file in the command of a record, without its ending."""
    command = re.match(r"# > (.*)", record)
    try:
        words = shlex.split(command[1]) if command else []
    except ValueError:
        words = []
    files = [Path(word).stem for word in words if word.endswith(".yaml")]
    return files[0] if files else "speaker network"


def _network(bundle, values):
    """What the resolved hyperparameters tell of the network and of its training data."""
    classes = [
        value.removeprefix("!new:")
        for key, value in values.items()
        if re.fullmatch(r"embedding_model(\.network)*", key) and value.startswith("!new:")
    ]
    labels = (bundle / "label_encoder.ckpt").read_text(encoding="utf-8", errors="replace")
    names = re.findall(r"^'(.*)' => \d+$", labels.partition("\n====")[0], re.MULTILINE)
    speakers = sum(" warped by " not in name for name in names)
    content = re.match(r"\W*(\d+) utterances", values.get("train_content", ""))
    utterances = f", {int(content[1]):,} utterances" if content else ""
    return {
        "size": _size(bundle) or values.get("embedding_size", "so many"),
        "features": values.get("compute_features", "unknown").removeprefix("!new:"),
        "network": ", around ".join(f"`{name}`" for name in classes) or "unknown",
        "data": f"{speakers} speakers{utterances}",
    }


def _size(bundle):
    """How many numbers an embedding has, views put together, where its normalisation tells."""
    try:
        saved = torch.load(bundle / "mean_var_norm_emb.ckpt", map_location="cpu", weights_only=True)
        return torch.as_tensor(saved["glob_mean"]).numel()
    except (OSError, KeyError, TypeError, RuntimeError, ValueError, pickle.UnpicklingError):
        return 0  # nothing is normalised, or the file is damaged, as others tell


def _decision(decision):
    if decision is None:
        return (
            "No threshold has been fitted: the network gives embeddings, and decides nothing. "
            "`speaker_verification.py --calibration_trials` of the recipe fits one."
        )
    costs, trials = decision["decision"], decision["fitted_on"].get("trials") or {}
    on = ""
    if isinstance(trials, dict) and trials:
        on = " on " + " and ".join(f"{count:,} {kind} trials" for kind, count in trials.items())
    return (
        f"Scoring `{decision['scoring']}`, calibrated{on}. Two recordings count as of one speaker "
        f"from a log-likelihood ratio of {decision['threshold']:.3f} on, the threshold for a prior "
        f"of {costs['p_target']:g}, a cost of {costs['c_miss']:g} for a miss and of "
        f"{costs['c_fa']:g} for a false alarm."
    )


def _loading(decision):
    """The class that the bundle is loaded with: one that decides, where it can."""
    if decision is None:
        use = 'vectors = encoder.embed("one.wav", "other.m4a").vectors'
        names = ("encoder", "speaker_encoder", "SpeakerEncoder")
    else:
        use = 'score, probability, same = verifier.verify_files("one.wav", "other.m4a")'
        names = ("verifier", "speaker_verifier", "SpeakerVerifier")
    return dict(zip(("loading", "file", "classname"), names, strict=True)) | {"use": use}
