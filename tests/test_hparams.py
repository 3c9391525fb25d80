"""Hparams files: read by a YAML parser, completed by their base, compared with a run's record."""

import json
import re
import subprocess
import sys

import pytest
import torch
import yaml

from conftest import RECIPE
from local.errors import RecipeError
from local.hparams import complete_text, read_hparams, settings
from running import one_line, train

ODD = ["o'brien's run", 'say "a"', "a #1", "key: value", "back\\slash", "100 %", "{a, b}", "ü 1"]


@pytest.mark.parametrize("name", ODD)
def test_a_path_may_hold_what_yaml_uses(name):
    text = f"run: {json.dumps(name)} # it's a comment\nfiles:\n  one: {json.dumps(name)}\n"
    assert settings(text) == {"run": name, "files.one": name}


@pytest.mark.long
def test_an_apostrophe_in_the_output_folder(small, tmp_path, capsys):
    folder = tmp_path / "o'brien" / "it's # 1"
    run = train(small, folder, "--epochs", "1")
    for record in (run / "experiment.yaml", run / "inference/experiment.yaml"):
        assert settings(record.read_text())["output_folder"] == str(folder)
        assert "# what --compile compiles" not in record.read_text()
    train(small, folder, "--epochs", "1")
    assert "this run is complete" in capsys.readouterr().out
    message = one_line(capsys, train, small, folder, "--learning_rate", "0.1")
    assert "holds a run with learning_rate: 0.003, now it is 0.1" in message
    train(small, folder, "--epochs", "2")  # carries on


def test_what_the_data_tells_stands_in_the_record(small, tmp_path):
    run = train(small, tmp_path, "--epochs", "1")
    record = settings((run / "experiment.yaml").read_text())
    assert record["classifier.out_neurons"] == "6"
    assert record["lr_annealing.epoch_count"] == "3"
    assert record["train_content"].startswith("18 utterances, crc ")
    assert not [value for value in record.values() if "getattr" in value]


def write(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return str(folder / f"{name}.yaml")  # the last one


BASE = "size: 3\nrate: 1.0\nnet: !new:torch.nn.Linear\n  in_features: !ref <size>\n  bias: True\n"


def test_a_file_changes_its_base(tmp_path):
    changed = "base: base.yaml\nrate: 2.0\nnet:\n  bias: False\n"
    found = settings(read_hparams(write(tmp_path, base=BASE, changed=changed), "").text)
    assert found == {
        **{"size": "3", "rate": "2.0", "net": "!new:torch.nn.Linear"},
        **{"net.in_features": "!ref <size>", "net.bias": "false"},
    }


def test_another_object_replaces_that_of_the_base(tmp_path):
    first = "base: base.yaml\nnet: !new:torch.nn.Identity\n"
    second = "base: first.yaml\nrate: 2.0\n"
    found = settings(read_hparams(write(tmp_path, base=BASE, first=first, second=second), "").text)
    assert found == {"size": "3", "rate": "2.0", "net": "!new:torch.nn.Identity"}


def test_an_object_within_another_replaces_that_of_the_base(tmp_path):
    base = "net: !new:a.Outer\n  size: 3\n  inner: !new:b.Inner\n    depth: 1\n"
    changed = "base: base.yaml\nnet:\n  inner: !new:c.Other\n    width: 2\n"
    found = settings(read_hparams(write(tmp_path, base=base, changed=changed), "").text)
    assert found == {
        **{"net": "!new:a.Outer", "net.size": "3"},
        **{"net.inner": "!new:c.Other", "net.inner.width": "2"},
    }


def test_a_base_that_is_not_there(tmp_path):
    with pytest.raises(RecipeError, match=r"none\.yaml: no such hparams file"):
        read_hparams(write(tmp_path, changed="base: none.yaml\n"), "")


def test_options_of_the_base_are_options(tmp_path):
    path = write(tmp_path, base=BASE, changed="base: base.yaml\n")
    assert read_hparams(path, "size: 5").overrides == {"size": 5}
    with pytest.raises(RecipeError, match="--base: made by|--base: unknown key"):
        read_hparams(path, "base: other.yaml")


def test_the_record_of_a_file_with_a_base_is_complete():
    files = [path for path in (RECIPE / "hparams").glob("*.yaml") if "\nbase: " in path.read_text()]
    assert len(files) >= 4
    options = ("shard_folder", "val_trials_path", "dev_trials_path")
    given = yaml.safe_dump(dict.fromkeys(options, "/somewhere"))
    for path in files:
        if "kept_modules" not in path.read_text():
            found = settings(read_hparams(str(path), given).text)
            assert "base" not in found and found["epoch_counter"].startswith("!new:")


@pytest.mark.long
def test_a_module_with_parameters_is_saved_by_itself(small, tmp_path):
    hparams = tmp_path / "scaled.yaml"
    old = "mean_var_norm: !new:speaker_models.no_normalization.NoNormalization"
    text = (RECIPE / "hparams/prototype.yaml").read_text()
    assert old in text
    hparams.write_text(text.replace(old, "mean_var_norm: !new:plain_prototype.Scale"))
    run = train(small, tmp_path / "run", "--epochs", "1", hparams=str(hparams))
    (checkpoint,) = (run / "save").glob("CKPT+*")
    torch.save({"factor": torch.tensor(7.0)}, checkpoint / "mean_var_norm.ckpt")
    (checkpoint / "checksums.json").unlink()  # which knows the file as it was
    # Carried on with, it has what the checkpoint holds; and so has what is left.
    train(small, run, "--epochs", "2", "--learning_rate", "0.003", hparams=str(hparams))
    (last,) = (run / "save").glob("CKPT+epoch_0002*")
    assert torch.load(last / "mean_var_norm.ckpt")["factor"] == pytest.approx(7, abs=0.1)
    assert (run / "inference/mean_var_norm.ckpt").is_file()
    assert "mean_var_norm: !ref" in (run / "inference/hyperparams.yaml").read_text()


def test_a_base_in_a_circle(tmp_path):
    path = write(tmp_path, one="base: two.yaml\n", two="base: one.yaml\n")
    with pytest.raises(RecipeError, match=r"base names a file in a circle: .*two\.yaml -> "):
        read_hparams(path, "")
    with pytest.raises(RecipeError, match="circle"):
        read_hparams(write(tmp_path, itself="base: itself.yaml\n"), "")


@pytest.mark.parametrize(
    "text, message",
    [
        ("base:\n", "base: expected the name of an hparams file"),
        ("base: .\n", "no such hparams file"),
        ("- a\n- b\n", "not valid YAML: expected keys and values"),
        ("epochs\n", "not valid YAML: expected keys and values"),
        ("a: 1\na: 2\n", "not valid YAML: .*duplicate key"),
        ("a: [1\n", "not valid YAML"),
    ],
)
def test_a_file_that_is_no_hparams_file(tmp_path, text, message):
    with pytest.raises(RecipeError, match=f"(?s){message}"):
        read_hparams(write(tmp_path, odd=text), "")


def test_a_file_of_another_encoding(tmp_path):
    (tmp_path / "odd.yaml").write_bytes("name: Jürgen\n".encode("latin-1"))
    with pytest.raises(RecipeError, match="not valid YAML"):
        read_hparams(str(tmp_path / "odd.yaml"), "")


@pytest.mark.parametrize(
    "options, message",
    [
        ("flag: nope", "--flag: expected True or False"),
        ("rate: .nan", "--rate: expected a number"),
        ("rate:", "--rate: expected a value after it"),
    ],
)
def test_values_of_a_file_with_a_base(tmp_path, options, message):
    path = write(tmp_path, base="flag: True\nrate: 1.0\n", changed="base: base.yaml\nrate: 2.0\n")
    with pytest.raises(RecipeError, match=message):
        read_hparams(path, options)


@pytest.mark.parametrize("file", ["prototype", "best_full"])
def test_help_of_a_pipe_that_closes(file):
    command = f"{sys.executable} train_speaker_embeddings.py hparams/{file}.yaml --help | head -1"
    options = {"shell": True, "cwd": RECIPE, "capture_output": True, "text": True}
    answer = subprocess.run(command, **options, timeout=120)
    assert answer.stdout == "Train a speaker embedding network on shards of speech.\n"
    assert not answer.stderr


def test_fewer_epochs_than_were_trained(small, tmp_path, capsys):
    run = train(small, tmp_path, "--epochs", "2")
    message = one_line(capsys, train, small, run, "--epochs", "1")
    assert "holds a run of 2 epochs, now epochs is 1" in message


BASES = [
    path.name for path in (RECIPE / "hparams").glob("*.yaml") if path.name != "log_config.yaml"
]
MISSPELT = {
    "learning_rat: 0.1": "v.yaml:3: learning_rat: has no effect, .* did you mean learning_rate?",
    "max_grad_nrom: 3": "v.yaml:3: max_grad_nrom: has no effect, .* did you mean max_grad_norm?",
    "epoch: 3": "v.yaml:3: epoch: has no effect, .* did you mean epochs?",
}


def variant(folder, base, *lines):
    path = folder / "v.yaml"
    path.write_text("\n".join([f"base: {RECIPE}/hparams/{base}", "", *lines]) + "\n")
    return path


@pytest.mark.parametrize("line", MISSPELT)
@pytest.mark.parametrize("base", ["prototype.yaml", "wavlm.yaml", "best_full.yaml"])
def test_a_misspelt_key_of_a_variant_is_named(tmp_path, base, line):
    with pytest.raises(RecipeError, match=MISSPELT[line]):
        complete_text(variant(tmp_path, base, line))


def test_a_key_for_code_of_ones_own(tmp_path):
    assert "my_note: 3" in complete_text(variant(tmp_path, "best.yaml", "my_note: 3"))


def test_a_key_that_nothing_uses_any_more(tmp_path):
    """The features of wavlm.yaml take the place of those that had a sample rate."""
    for line in ("sample_rate: 8000", "sample_rate: 8000\nepochs: 3"):
        with pytest.raises(RecipeError, match="v.yaml:3: sample_rate: has no effect"):
            complete_text(variant(tmp_path, "wavlm.yaml", line))
    assert "8000" in complete_text(variant(tmp_path, "ecapa_tdnn.yaml", "sample_rate: 8000"))


@pytest.mark.parametrize("base", BASES)
def test_every_key_of_the_files_may_stand_in_a_variant(tmp_path, base):
    text = (RECIPE / "hparams" / base).read_text()
    keys = [line for line in text.splitlines() if re.match(r"\w+: [^!{#]", line)]
    keys = [line for line in keys if not line.startswith("base:")]
    complete_text(variant(tmp_path, base, *keys, "grad_accumulation_factor: 2"))


def test_keys_of_a_variant_that_are_referred_to(tmp_path):
    lines = ["width: 64", "embedding_size: !ref <width> * 2", "rate: &rate 0.1"]
    complete_text(variant(tmp_path, "prototype.yaml", *lines, "learning_rate: *rate"))
    own = tmp_path / "own.yaml"  # read by code of one's own
    own.write_text((RECIPE / "hparams/prototype.yaml").read_text() + "\nmy_margin: 0.3\n")
    (tmp_path / "mine.yaml").write_text("base: own.yaml\nmy_margin: 0.4\n")
    complete_text(tmp_path / "mine.yaml")
