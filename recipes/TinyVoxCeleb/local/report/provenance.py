"""How a result was made: commands, data, seeds, versions, hyperparameters."""

import re
from pathlib import Path

from local.report.words import count


def provenance(result):
    """How a result was made: commands, data, seed, versions, hyperparameters.

    Arguments
    ---------
    result : Result

    Returns
    -------
    dict
    """
    about = result.about
    experiment = result.text("experiment.yaml")
    facts = {
        "Run": str(result.run),
        "Scores": f"{about['scoring']}, {_calibration(about)}",
        "Score list": about["score_file"],
    }
    if about.get("threshold") is not None:
        facts["Threshold"] = f"{about['threshold']:.6g}"
    if about.get("decision"):
        costs = ", ".join(f"{key} {value:g}" for key, value in about["decision"].items())
        facts["Threshold set for"] = costs
    facts["Seed of the evaluation"] = str(about.get("seed", "not recorded"))
    seed = re.search(r"^random_seed: *(\S+)", experiment or "", re.MULTILINE)
    facts["Seed of the training"] = seed[1] if seed else "not recorded"
    versions = about.get("versions") or {}
    embedded = "not there any more"
    if result.embeddings is not None:
        embedded = f"{count(len(result.embeddings.ids))} utterances"
    facts["Versions"] = ", ".join(f"{name} {of}" for name, of in versions.items()) or "not recorded"
    return {
        "label": result.label,
        "facts": facts,
        "verification": about["command"],
        "training": training_command(experiment or ""),
        "data": [
            *((of.name, f"{count(len(of.trials))} trials", of.trials.path) for of in result.lists),
            *(("shards", _num_shards(path), path) for path in about.get("shards", [])),
            ("embeddings", embedded, ", ".join(about.get("embeddings", []))),
        ],
        "experiment": experiment,
        "environment": result.text("env.log"),
    }


def _num_shards(folder):
    number = len(list(Path(folder).glob("shard-*.tar")))
    return f"{number} archive{'s' if number > 1 else ''}" if number else "not there any more"


def training_command(experiment):
    r"""The command in the first lines of a run's record.

    Arguments
    ---------
    experiment : str
        YAML whose first lines are "# > " and the command.

    Returns
    -------
    str
        "" where it begins otherwise.

    Example
    -------
    >>> training_command("# > python train.py a.yaml \\\n# >     --epochs 3\n\nepochs: 3\n")
    'python train.py a.yaml \\\n    --epochs 3'
    >>> training_command("epochs: 3\n# > python train.py\n")
    ''
    """
    lines = re.match(r"(?:# > ?.*(?:\n|$))*", experiment)[0].splitlines()
    return "\n".join(line.removeprefix("# > ").removeprefix("# >") for line in lines)


def _calibration(about):
    if not about["calibrated"]:
        return "not calibrated"
    fitted = f" on {about['calibration_trials']}" if about.get("calibration_trials") else ""
    return (
        f"calibrated{fitted}; Cllr, actual costs and the errors of groups are measured without a "
        "trial's own speakers in the calibration"
    )
