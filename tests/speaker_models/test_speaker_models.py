"""Networks: what they compute, their published sizes, and that padding changes no embedding."""

import re
from pathlib import Path

import pytest
import torch
from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN
from torch.nn import functional as F  # noqa: N812

from local.bundle import batching, load_encoder
from running import ECAPA, PROTOTYPE, TINY, XVECTOR, train
from speaker_models.by_length import ByLength
from speaker_models.cam_plus_plus import CamPlusPlus, DenseLayer, context
from speaker_models.ecapa_tdnn import EcapaTdnn
from speaker_models.pooling import POOLINGS
from speaker_models.resnet import ResidualBlock, ResNet
from speaker_models.softmax_cost import SoftmaxCost
from speaker_models.sub_center_classifier import SubCenterClassifier
from speaker_models.xvector import Xvector

pytestmark = pytest.mark.long

SMALL = {
    EcapaTdnn: {"channels": [8, 8, 8, 8, 24], "attention_channels": 8, "se_channels": 8},
    Xvector: {"channels": [8, 8, 8, 8, 24]},
    ResNet: {"base_channels": 4, "blocks": [1, 2, 1, 1]},
    CamPlusPlus: {"front_channels": 4, "init_channels": 8, "growth": 4, "blocks": [2, 2, 2]},
}


def random_features(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def with_statistics(network):
    """In evaluation mode, with batch statistics as if it had been trained."""
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
    return network.eval()


def assert_same_embeddings(found, expected):
    assert torch.allclose(found, expected, atol=1e-4)
    mean = expected.mean(dim=0)
    assert torch.cosine_similarity(found - mean, expected - mean, dim=-1).min() > 0.9999


@pytest.mark.parametrize("hparams", TINY, ids=lambda path: Path(path).stem)
def test_each_experiment_trains_and_its_embeddings_have_no_padding_in_them(
    small, tmp_path, hparams
):
    run = train(small, tmp_path, *TINY[hparams], hparams=hparams)
    encoder = load_encoder(run, "cpu")  # SpeechBrain's EncoderClassifier
    assert batching(encoder) == "mixed"
    signals = 0.1 * random_features(5, 16000)
    embeddings = encoder.encode_batch(signals)
    assert embeddings.shape == (5, 1, 16)
    features = encoder.mods.compute_features(signals)
    lengths = torch.tensor([30, 101, 50, 101, 80])
    together = encoder.mods.embedding_model(features, lengths / 101)
    alone = [
        encoder.mods.embedding_model(features[row : row + 1, :length])
        for row, length in enumerate(lengths)
    ]
    assert_same_embeddings(together, torch.cat(alone))


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("kind", SMALL)
def test_any_network_with_any_pooling(kind, pooling):
    torch.manual_seed(0)
    network = ByLength(kind(n_features=24, embedding_size=16, pooling=pooling, **SMALL[kind]))
    features = random_features(3, 70, 24)
    network(features).square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())
    with_statistics(network)
    together = network(features, torch.tensor([1.0, 0.3, 0.3]))
    assert together.shape == (3, 1, 16)
    alone = [network(features[:1]), network(features[1:2, :21]), network(features[2:, :21])]
    assert_same_embeddings(together, torch.cat(alone))
    assert torch.equal(network(features, torch.tensor([1.0, 0.3, 0.3])), together)


def test_calls_by_length():
    """One where lengths are equal, and in training, where batch normalisation sees all."""
    network = ByLength(Xvector(n_features=24, **SMALL[Xvector]))
    calls = []
    network.network.register_forward_hook(lambda _, inputs, __: calls.append(inputs[0].shape[:2]))
    features, mixed = random_features(3, 70, 24), torch.tensor([1.0, 0.3, 0.3])
    network(features, mixed)
    network.eval()
    network(features)
    network(features, torch.ones(3))
    assert calls == [(3, 70)] * 3
    network(features, mixed)
    assert calls[3:] == [(2, 21), (1, 70)]
    network(features, mixed[[1, 2, 1]])  # all shorter than the batch
    assert calls[5:] == [(3, 21)]


def test_ecapa_is_that_of_speechbrain():
    sizes = {"channels": [16, 16, 16, 16, 48], "attention_channels": 8, "se_channels": 8}
    torch.manual_seed(0)
    theirs = ECAPA_TDNN(24, lin_neurons=16, **sizes)
    torch.manual_seed(0)
    ours = EcapaTdnn(n_features=24, embedding_size=16, **sizes)
    state = theirs.state_dict()
    assert state.keys() == ours.state_dict().keys()
    assert all(torch.equal(value, state[key]) for key, value in ours.state_dict().items())
    features, lengths = random_features(4, 70, 24), torch.ones(4)
    assert torch.equal(ByLength(ours)(features, lengths), theirs(features, lengths))
    assert torch.equal(ByLength(ours).eval()(features), theirs.eval()(features))


def test_xvector_in_plain_torch():
    torch.manual_seed(0)
    network = with_statistics(Xvector(n_features=24, **SMALL[Xvector]))
    features = random_features(2, 40, 24)
    frames = features.transpose(1, 2)
    for layer, context_frames, dilation in zip(
        network.layers, (2, 2, 3, 0, 0), (1, 2, 3, 1, 1), strict=True
    ):
        frames = F.pad(frames, (context_frames, context_frames), mode="reflect")
        conv, norm = layer.conv.conv, layer.norm.norm
        frames = F.conv1d(frames, conv.weight, conv.bias, dilation=dilation).relu()
        shape = (1, -1, 1)
        frames = (frames - norm.running_mean.reshape(shape)) / torch.sqrt(
            norm.running_var.reshape(shape) + norm.eps
        )
        frames = frames * norm.weight.reshape(shape) + norm.bias.reshape(shape)
    pooled = torch.cat([frames.mean(2), frames.std(2, correction=0)], dim=1)
    expected = pooled @ network.linear.weight.T + network.linear.bias
    assert torch.allclose(network(features)[:, 0], expected, atol=1e-5)


def norm2d(image, norm):
    return F.batch_norm(
        image, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps
    )


@pytest.mark.parametrize("stride", [1, 2, (2, 1)])
def test_residual_block_in_plain_torch(stride):
    """Its shortcut is a strided convolution; channels lie together in memory, as in training."""
    torch.manual_seed(0)
    block = with_statistics(ResidualBlock(4, 8, stride))
    image = random_features(2, 4, 13, 18).contiguous(memory_format=torch.channels_last)
    image.requires_grad_()
    (first, norm1), (second, norm2), (fitting, norm3) = block.first, block.second, block.shortcut[1]
    plain = image.detach().contiguous().requires_grad_()
    hidden = norm2d(F.conv2d(plain, first.weight, stride=stride, padding=1), norm1).relu()
    hidden = norm2d(F.conv2d(hidden, second.weight, padding=1), norm2)
    expected = (hidden + norm2d(F.conv2d(plain, fitting.weight, stride=stride), norm3)).relu()
    found = block(image)
    assert torch.allclose(found, expected, atol=1e-5)
    for result in (found, expected):
        result.square().sum().backward()
    assert torch.allclose(image.grad, plain.grad, rtol=1e-4, atol=1e-4)


def test_dense_layer_and_its_context_in_plain_torch():
    torch.manual_seed(0)
    layer = with_statistics(DenseLayer(8, growth=4, dilation=2))
    frames = random_features(2, 8, 250)
    norm1, _, narrow, norm2, _ = layer.bottleneck
    hidden = F.conv1d(norm2d(frames, norm1).relu(), narrow.weight)
    hidden = norm2d(hidden, norm2).relu()
    segments = [
        part.mean(2, keepdim=True).expand_as(part) for part in hidden.split(100, dim=2)
    ]  # of 100, 100 and 50 frames
    around = hidden.mean(2, keepdim=True) + torch.cat(segments, dim=2)
    assert torch.allclose(context(hidden), around, atol=1e-6)
    local = F.conv1d(hidden, layer.local.weight, padding=2, dilation=2)
    narrower, _, wider, _ = layer.mask
    mask = F.conv1d(around, narrower.weight, narrower.bias).relu()
    mask = F.conv1d(mask, wider.weight, wider.bias).sigmoid()
    assert torch.allclose(layer(frames), torch.cat([frames, local * mask], dim=1), atol=1e-5)


@pytest.mark.parametrize(
    "kind, millions",
    [
        (CamPlusPlus, 7.18),  # table 1 of the paper
        (ResNet, 6.63),  # ResNet34 of 32 channels with statistics pooling, as WeSpeaker lists it
    ],
)
def test_published_sizes(kind, millions):
    count = sum(parameter.numel() for parameter in kind(n_features=80).parameters())
    assert count == pytest.approx(1e6 * millions, rel=0.02)


def test_cam_plus_plus_begins_as_the_authors_code_does():
    network = CamPlusPlus(n_features=80, blocks=[1, 1, 1])
    for module in (network.layers[0], network.linear):
        inputs = module.weight[0].numel()
        assert module.weight.std().item() == pytest.approx((2 / inputs) ** 0.5, rel=0.02)
    (dense, *_) = (layer for layer in network.layers if isinstance(layer, DenseLayer))
    assert not dense.mask[0].bias.any() and not dense.mask[2].bias.any()


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Xvector(n_features=24, channels=[8, 8]), "one of each for a layer, found 2, 5, 5"),
        (lambda: CamPlusPlus(n_features=24, blocks=[2]), "blocks [2]: expected the layers of 3 bl"),
        (
            lambda: SubCenterClassifier(input_size=8, out_neurons=3, sub_centers=0),
            "sub_centers 0: expected 1 or more a speaker",
        ),
        (lambda: SoftmaxCost(label_smoothing=1.5), "label_smoothing 1.5: expected 0 to 1"),
    ],
)
def test_what_cannot_be_made_says_why(make, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


def edited(hparams, tmp_path, old, new):
    text = Path(hparams).read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / Path(hparams).name
    path.write_text(text.replace(old, new), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    "hparams, old, message",
    [
        (ECAPA, "n_features: !ref <n_mels>", "features have 80 values a frame, the network exp"),
        (PROTOTYPE, "n_features: !ref <n_mfcc>", "to have 24 channels, but got 40"),
        (XVECTOR, "input_size: !ref <embedding_size>", "shapes cannot be multiplied"),
    ],
)
def test_parts_that_do_not_fit_are_one_line(small, tmp_path, capsys, hparams, old, message):
    path = edited(hparams, tmp_path, old, re.sub("!.*", "24", old))
    with pytest.raises(SystemExit) as stop:
        train(small, tmp_path / "run", *TINY.get(hparams, ()), hparams=path)
    assert stop.value.code == 1
    (line,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("error"))
    assert line.startswith("error: the network cannot compute on a crop: ") and message in line
    assert not list((tmp_path / "run/save").glob("CKPT*"))


def test_a_pooling_that_is_none_is_one_line(small, tmp_path, capsys):
    with pytest.raises(SystemExit):
        train(small, tmp_path, "--pooling", "max", hparams=XVECTOR)
    assert "xvector.yaml: " in (message := capsys.readouterr().err)
    assert "pooling: expected one of mean, statistics, " in message and "'max'" in message


def shared_parts(hparams):
    """All of an hparams file but its header, its network and its name."""
    _, text = Path(hparams).read_text(encoding="utf-8").split("\nrandom_seed", maxsplit=1)
    before, _, after = re.split(r"^# Network\n|^(?=mean_var_norm_emb: )", text, flags=re.MULTILINE)
    return (before + after).replace(Path(hparams).stem, "NAME")


def test_experiments_differ_in_their_networks_alone():
    assert len({shared_parts(hparams) for hparams in TINY}) == 1
