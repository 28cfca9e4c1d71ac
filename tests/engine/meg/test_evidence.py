from __future__ import annotations

import numpy as np
import pytest

from engine.meg.evidence import agreement


def test_of_two_near_certainties_the_surer_agrees_more():
    told = agreement(np.array([0.0, 0.001, 0.5, 0.9, 0.99, 0.999, 1.0]))
    assert (told[0], told[2], told[-1]) == pytest.approx((0, 0.5, 1), abs=1e-3)
    assert (np.diff(told) > 0.04).all()
