"""A network in the form of sherpa-onnx, loaded by the package that runs on phones."""

import numpy as np
import onnx
import pytest
import sherpa_onnx
import soundfile

import export
from conftest import RECIPE, shared
from local.bundle import encode, load_encoder
from local.bundle.export.phone import PHONE
from running import train

OPTIONS = ("--base_channels", "8", "--embedding_size", "32", "--rooms", "2")
SHORT = ("--crops_per_utterance", "8", "--min_epoch_steps", "0", "--epochs", "4")
CROPS = ("--audio_length_num_frames", "12000")


@pytest.fixture(scope="module")
def run(small, once):
    options = (*OPTIONS, *SHORT, *CROPS)
    hparams = str(RECIPE / "hparams/phone.yaml")
    return once("phone", lambda at: train(small, at / "run", *options, hparams=hparams)) / "run"


@pytest.fixture(scope="module")
def exported(run, once):
    options = ["--checkpoint", str(run), "--out"]
    return once("phone-exported", lambda at: export.main([*options, str(at)]))


@pytest.fixture(scope="module")
def phone(exported):
    config = sherpa_onnx.SpeakerEmbeddingExtractorConfig(model=str(exported / PHONE))
    assert config.validate()
    return sherpa_onnx.SpeakerEmbeddingExtractor(config)


def on_a_phone(phone, signal):
    stream = phone.create_stream()
    stream.accept_waveform(sample_rate=16000, waveform=signal)
    stream.input_finished()
    assert phone.is_ready(stream)
    return np.array(phone.compute(stream))


def cosines(left, right):
    left, right = (vectors / np.linalg.norm(vectors, axis=1)[:, None] for vectors in (left, right))
    return (left * right).sum(axis=1)


def check(run, phone, paths):
    """The same embeddings here and there, around their mean too."""
    signals = [soundfile.read(path, dtype="float32")[0] for path in paths]
    encoder = load_encoder(run, "cpu")
    ours = np.concatenate([encode(encoder, [signal]).numpy() for signal in signals])
    theirs = np.stack([on_a_phone(phone, signal) for signal in signals])
    assert theirs.shape == (len(paths), phone.dim) == ours.shape
    assert cosines(ours, theirs).min() >= 0.999
    assert cosines(ours - ours.mean(axis=0), theirs - ours.mean(axis=0)).min() >= 0.999


def test_artificial_voices(run, phone, small):
    check(run, phone, sorted((small.corpus / "dev").rglob("*.wav"))[:8])


@pytest.mark.parametrize("folder", [shared("arabic-speakers")])
def test_real_speech(run, phone, folder):
    check(run, phone, sorted(folder.rglob("*.flac"))[::30])


def test_its_speaker_manager_finds_who_is_enrolled(phone, small):
    """Known speakers of the corpus, each enrolled by a recording, are found by others of theirs."""
    manager = sherpa_onnx.SpeakerEmbeddingManager(phone.dim)
    people = [person for person in sorted((small.corpus / "train").iterdir()) if person.is_dir()]
    tests = {}
    for person in people[:4]:
        first, second, *others = sorted(person.rglob("*.wav"))
        vectors = [
            on_a_phone(phone, soundfile.read(p, dtype="float32")[0]) for p in (first, second)
        ]
        assert manager.add(person.name, [vector.tolist() for vector in vectors])
        tests[person.name] = others
    assert manager.num_speakers == 4 and people[0].name in manager
    found, asked = 0, 0
    for name, paths in tests.items():
        for path in paths:
            vector = on_a_phone(phone, soundfile.read(path, dtype="float32")[0]).tolist()
            found, asked = found + (manager.search(vector, threshold=-1.0) == name), asked + 1
            assert manager.search(vector, threshold=1.1) == ""  # nobody
            assert manager.verify(name, vector, threshold=-1.0)
    assert asked >= 4 and found >= 0.75 * asked
    assert manager.remove(people[0].name) and manager.num_speakers == 3


def test_its_metadata_and_the_file_beside_it(exported):
    model = onnx.load(exported / PHONE)
    about = {entry.key: entry.value for entry in model.metadata_props}
    wanted = {"framework": "wespeaker", "sample_rate": "16000", "normalize_samples": "0"}
    assert wanted.items() <= about.items() and about["output_dim"] == about["dimension"] == "32"
    (entry,) = model.graph.input
    sizes = [size.dim_param or size.dim_value for size in entry.type.tensor_type.shape.dim]
    assert sizes == ["batch", "time", 80] and (exported / "speaker.onnx").is_file()
