"""What an inference bundle is made of: the record of the run, and every trained parameter."""

from types import SimpleNamespace

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml

from conftest import RECIPE
from embedding_runs import PROTOTYPE, make_run
from local.bundle import load_encoder
from local.bundle.writing import write_inference_bundle
from local.errors import RecipeError
from running import train

CLASSIFIER = """
classifier: !new:speaker_models.prototype.PrototypeClassifier
  input_size: 16
  out_neurons: 2
"""
WITH_CLASSIFIER = PROTOTYPE.replace("classifier: !new:torch.nn.Identity", CLASSIFIER.strip())


def save(folder, modules, *names):
    """A checkpoint of these modules."""
    for name in names:
        torch.save(modules[name].state_dict(), folder / f"{name}.ckpt")
    return SimpleNamespace(paramfiles={name: folder / f"{name}.ckpt" for name in names})


def write(folder, hparams, *saved):
    modules = load_hyperpyyaml(hparams)
    checkpoint = save(folder, modules, *saved)
    code = RECIPE / "speaker_models"
    write_inference_bundle(folder / "bundle", hparams, checkpoint, ["a", "b"], code, modules)
    return modules, folder / "bundle"


def test_a_module_that_no_checkpoint_holds_is_an_error_not_random(tmp_path):
    with pytest.raises(RecipeError, match="^classifier: has parameters, but the checkpoint") as e:
        write(tmp_path, WITH_CLASSIFIER, "embedding_model")
    assert "\n" not in str(e.value)
    assert not (tmp_path / "bundle").exists()
    with pytest.raises(RecipeError, match="^classifier, embedding_model: has parameters"):
        write(tmp_path, WITH_CLASSIFIER)
    modules, folder = write(tmp_path, WITH_CLASSIFIER, "embedding_model", "classifier")
    loaded = load_encoder(folder, "cpu").mods
    for name in ("embedding_model", "classifier"):
        for key, value in modules[name].state_dict().items():
            assert torch.equal(loaded[name].state_dict()[key], value)


def test_a_part_that_the_hparams_file_lacks(tmp_path):
    hparams = PROTOTYPE.replace("mean_var_norm:", "other_norm:")
    with pytest.raises(RecipeError, match="^the hparams file lacks mean_var_norm: define it"):
        write(tmp_path, hparams, "embedding_model")


RECORD = """# it's the run's first comment
output_folder: "/home/o'brien/run #1" # isn't read here
other: 'it''s # no comment'
"""


def test_quotes_and_comments_of_the_record(tmp_path):
    """The apostrophe within the quotes once began a text for whoever removed comments."""
    commented = WITH_CLASSIFIER.replace(
        "\n  input_size: 16", "\n  # don't keep\n  input_size: 16 # ' #"
    )
    assert commented.count("#") == 3
    _, plain = write(tmp_path, WITH_CLASSIFIER, "embedding_model", "classifier")
    expected = (plain / "hyperparams.yaml").read_text()
    _, folder = write(tmp_path, RECORD + commented, "embedding_model", "classifier")
    assert (folder / "hyperparams.yaml").read_text() == expected
    assert (folder / "experiment.yaml").read_text().endswith(RECORD + commented)
    load_encoder(folder, "cpu")


@pytest.mark.long
def test_a_run_in_a_folder_with_apostrophe_and_hash(small, tmp_path):
    run = train(small, tmp_path / "o'brien" / "run #1", "--epochs", "1")
    hyperparams = (run / "inference/hyperparams.yaml").read_text()
    comments = [line for line in hyperparams.splitlines() if "# " in line]
    assert "crop" not in hyperparams and len(comments) == 6  # its own header
    load_encoder(run, "cpu")


def test_it_loads_where_its_folder_has_apostrophe_and_hash(tmp_path):
    from speechbrain.inference.classifiers import EncoderClassifier

    run = make_run(tmp_path / "o'brien #1")
    signal = torch.ones(1, 16000)
    found = EncoderClassifier.from_hparams(source=str(run / "inference")).encode_batch(signal)
    assert torch.equal(found, load_encoder(run, "cpu").encode_batch(signal))
