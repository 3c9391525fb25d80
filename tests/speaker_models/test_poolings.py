"""Poolings against plain computations; padding and noise never get into them."""

import math

import pytest
import torch
from speechbrain.lobes.models.ECAPA_TDNN import AttentiveStatisticsPooling

from speaker_models.pooling import POOLINGS, MultiHeadStatistics, make_pooling


def random_frames(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def made(name, channels=8):
    """A pooling with random parameters."""
    torch.manual_seed(0)
    pooling = make_pooling(name, channels).eval()
    for parameter in pooling.parameters():
        torch.nn.init.normal_(parameter)
    return pooling


@pytest.mark.parametrize("name", POOLINGS)
def test_padding_is_left_out_to_the_frame(name):
    """For every length, among them those of which the relative length times the frames is more."""
    pooling = made(name)
    for total in (1, 7, 49, 60):
        frames = random_frames(total, total, 8)
        counts = torch.arange(1, total + 1)
        pooled = pooling(frames, counts / total)
        assert pooled.shape == (total, 1, pooling.output_size)
        spoilt = frames.clone()
        for row, count in enumerate(counts):
            alone = pooling(frames[row : row + 1, :count])
            assert torch.allclose(pooled[row], alone[0], rtol=1e-4, atol=1e-5)
            spoilt[row, count:] = 1e6
        assert torch.equal(pooling(spoilt, counts / total), pooled)


def test_mean_and_deviation():
    frames = random_frames(2, 30, 8)
    assert torch.allclose(made("mean")(frames)[:, 0], frames.mean(1), atol=1e-6)
    expected = torch.cat([frames.mean(1), frames.std(1, correction=0)], dim=1)
    assert torch.allclose(made("statistics")(frames)[:, 0], expected, atol=1e-6)


def test_attentive_statistics_are_those_of_speechbrain():
    ours, theirs = made("attentive_statistics"), AttentiveStatisticsPooling(8).eval()
    theirs.load_state_dict(ours.attention.state_dict())
    frames = random_frames(2, 30, 8)
    assert torch.equal(ours(frames), theirs(frames.transpose(1, 2)).transpose(1, 2))


def test_each_head_attends_by_its_query():
    pooling = made("multi_head_statistics")
    frames = random_frames(1, 5, 8)
    means, deviations = [], []
    for head, query in enumerate(pooling.queries.tolist()):
        own = frames[0, :, 2 * head : 2 * head + 2].tolist()
        scores = [sum(q * x for q, x in zip(query, frame, strict=True)) for frame in own]
        powers = [math.exp(score / math.sqrt(2)) for score in scores]
        for channel in range(2):
            pairs = [(p / sum(powers), x[channel]) for p, x in zip(powers, own, strict=True)]
            mean = sum(weight * x for weight, x in pairs)
            means.append(mean)
            deviations.append(math.sqrt(sum(weight * (x - mean) ** 2 for weight, x in pairs)))
    assert pooling(frames).flatten().tolist() == pytest.approx(means + deviations, rel=1e-4)


def test_heads_begin_as_plain_statistics_and_learn():
    pooling, frames = MultiHeadStatistics(8), random_frames(2, 30, 8)
    assert torch.allclose(pooling(frames), make_pooling("statistics", 8)(frames), atol=1e-6)
    pooling(frames).sum().backward()
    assert (pooling.queries.grad != 0).all()


@pytest.mark.parametrize("name", POOLINGS)
def test_gradients_of_silent_channels_are_finite(name):
    frames = random_frames(2, 30, 8)
    frames[:, :, :4] = 0
    frames[0] = 1
    frames.requires_grad_()
    made(name)(frames).square().sum().backward()
    assert frames.grad.isfinite().all()


def test_what_cannot_be_made():
    expected = "expected one of mean, statistics, attentive_statistics, multi_head_statistics"
    with pytest.raises(ValueError, match=f"pooling: {expected}, found 'max'"):
        make_pooling("max", 8)
    with pytest.raises(ValueError, match="6 channels cannot be shared by 4 heads evenly"):
        make_pooling("multi_head_statistics", 6)
