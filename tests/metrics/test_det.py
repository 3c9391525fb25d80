"""The picture of DET curves."""

import numpy as np
import pytest

from local.metrics import equal_error_rate
from local.metrics.det import plot_det


@pytest.mark.parametrize("gap", [0.5, 100.0])  # 100: perfect separation, an EER of 0
def test_det_picture(tmp_path, gap):
    rng = np.random.default_rng(0)
    labels = np.repeat([1, 0], 200)
    scores = rng.normal(size=400) + gap * labels
    eer = equal_error_rate(scores, labels)
    plot_det(tmp_path / "det.png", {"dev_trials": (scores, labels, eer)})
    assert (tmp_path / "det.png").read_bytes().startswith(b"\x89PNG")
