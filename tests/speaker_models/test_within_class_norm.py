"""Within-class covariance normalisation, against a plain computation and in a training."""

import copy

import numpy as np
import pytest
import speechbrain as sb
import torch

from conftest import RECIPE
from local.metrics import equal_error_rate
from local.training.final_network import fit_norm
from running import make_brain
from speaker_models.within_class_norm import MeansClassifier, WithinClassNorm

BEST = str(RECIPE / "hparams/best.yaml")
TINY = ("--base_channels", "4", "--embedding_size", "16", "--rooms", "3")
TINY += ("--audio_length_num_frames", "12000", "--crops_per_utterance", "2")


class Given(torch.nn.Module):
    def forward(self, features, lengths=None):
        return features[:, :1]


def speakers(count, crops, size=12):
    """Embeddings in which two directions differ from crop to crop, as channels do."""
    generator = torch.Generator().manual_seed(0)
    classes = torch.arange(count).repeat(crops)
    own = torch.randn(count, size, generator=generator)
    noise = torch.randn(len(classes), size, generator=generator)
    noise[:, :2] *= 10
    return own[classes] + 0.3 * noise + 0.5, classes


def eer(embeddings, classes):
    vectors = torch.nn.functional.normalize(embeddings, dim=-1)
    first, second = np.triu_indices(len(vectors), 1)
    same = (classes[first] == classes[second]).numpy()
    return equal_error_rate((vectors[first] * vectors[second]).sum(-1).numpy(), same.astype(int))


def test_projection_is_the_inverse_root_of_the_covariance():
    embeddings, classes = speakers(20, 6)
    network = WithinClassNorm(Given(), n_features=12, embedding_size=12, shrinkage=0.3).eval()
    unit = network(embeddings[:, None]).squeeze(1)  # not fitted: only of length one
    lengths = np.linalg.norm(embeddings.numpy(), axis=1, keepdims=True)
    assert np.allclose(unit, embeddings.numpy() / lengths, atol=1e-6)
    network.begin_fit()
    means = network.fit_norm(unit, classes, count=21)

    centred = unit.numpy() - unit.numpy().mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    of_each = [centred[classes == number] for number in range(20)]
    covariance = sum(np.cov(one.T, bias=True) * len(one) for one in of_each) / len(centred)
    shrunk = 0.7 * covariance + 0.3 * np.trace(covariance) / 12 * np.eye(12)
    projection = network.projection.double().numpy()
    assert np.allclose(projection @ shrunk @ projection.T, np.eye(12), atol=1e-4)

    normalised = network(embeddings[:, None]).squeeze(1)
    assert np.allclose(normalised, centred @ projection, atol=1e-4)
    assert np.allclose(means[3], normalised[classes == 3].mean(dim=0), atol=1e-5)
    assert not means[20].any()  # a class that has no crop

    new, of_new = speakers(30, 4)
    before = eer(new, of_new)
    assert eer(network(new[:, None]).squeeze(1), of_new) < 0.6 * before
    network.train().eval()  # as if training had gone on
    assert torch.equal(network(embeddings[:, None]).squeeze(1), unit)


def test_all_voices_are_heard_once_it_is_fitted():
    """Each as the network alone embeds it; the classifier then compares with all of them."""
    torch.manual_seed(0)
    network = WithinClassNorm(
        torch.nn.Linear(8, 4), n_features=8, embedding_size=4, warps=[1, 0.9, 1.1], shrinkage=1
    )
    network.network.forward = lambda features, lengths: torch.nn.functional.linear(
        features.mean(dim=1, keepdim=True), network.network.weight
    )
    classifier = MeansClassifier(4, out_neurons=6)
    features, speakers = torch.randn(40, 5, 24), torch.arange(40) % 2
    network.eval(), classifier.eval()
    voices = [network(voice.repeat(1, 1, 3)) for voice in features.chunk(3, dim=2)]
    torch.testing.assert_close(network(features), voices[0])
    assert classifier(voices[0]).shape == (40, 1, 6)
    network.begin_fit()
    joined = network(features).squeeze(1)
    direction = torch.nn.functional.normalize(torch.cat(voices, dim=2).squeeze(1), dim=1)
    torch.testing.assert_close(torch.nn.functional.normalize(joined, dim=1), direction)
    classifier.set_means(network.fit_norm(joined, speakers, count=2))
    embeddings = network(features)
    of_second = embeddings[speakers == 1].mean(dim=0)
    cosines = torch.nn.functional.cosine_similarity(embeddings, of_second[None], dim=2)
    torch.testing.assert_close(classifier(embeddings)[:, :, 1], cosines)
    for module in (network, classifier):
        again = copy.deepcopy(module).train().eval()
        if module is classifier:
            again.means = torch.zeros(0, 4)  # as a new one has it
        again.load_state_dict(module.state_dict())
        assert again.fitted and not again.train().fitted


def test_shrinkage_is_a_share():
    with pytest.raises(ValueError, match="shrinkage 0: expected more than 0, at most 1"):
        WithinClassNorm(Given(), n_features=12, embedding_size=12, shrinkage=0)


def test_speakers_have_to_differ():
    network = WithinClassNorm(Given(), n_features=12, embedding_size=12)
    with pytest.raises(ValueError, match="expected several crops"):
        network.fit_norm(torch.eye(3, 12), torch.arange(3), count=3)


def test_a_brain_fits_it_to_its_augmented_crops(small, tmp_path):
    brain = make_brain(small, tmp_path, *TINY, hparams=BEST)
    classifier = brain.modules.classifier
    fit_norm(brain, brain.train_set)
    brain.train_set.set_epoch(brain.hparams.epochs + 1, start=0)
    embeddings, classes = [], []
    with torch.no_grad():
        for batch in brain.train_set:
            of_batch, _, of_crops = brain.compute_forward(batch, sb.Stage.TRAIN)
            embeddings.append(of_batch.squeeze(1))
            classes.append(of_crops.squeeze(1))
    embeddings, speakers = torch.cat(embeddings), torch.cat(classes) % 6
    assert embeddings.shape[1] == 7 * 16 and classifier.means.shape == (6, 7 * 16)
    for number in range(6):
        mean = embeddings[speakers == number].mean(dim=0)
        torch.testing.assert_close(classifier.means[number], mean, rtol=0, atol=1e-5)
