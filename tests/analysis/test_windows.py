"""Cells whose ticks see windows of inputs (X1), in the analyses of motion."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.gated.cells import augmented_cell, vanilla_cell

from ode2rnn import AugmentedLSTM, run
from ode2rnn.analysis import fixed_points, lyapunov, phase_plane

INPUTS = ("W_xcu", "W_xcs", "W_xdu", "W_xcr")


def differing(behind: int) -> AugmentedLSTM:
    """The Vanilla LSTM with the weights W and -W of two neighbouring inputs."""
    own = vanilla_cell()
    pairs = {name: np.stack([getattr(own, name), -getattr(own, name)]) for name in INPUTS}
    return AugmentedLSTM.of(own, behind=behind, **pairs)


@pytest.mark.parametrize("behind", [0, 1])
def test_exponents_are_those_of_the_plain_cell_driven_by_differences_of_the_inputs(behind: int) -> None:
    x = np.random.default_rng(1).standard_normal((60, vanilla_cell().input_width))
    padded = np.concatenate([np.zeros((behind, x.shape[1])), x, np.zeros((1 - behind, x.shape[1]))])
    found, expected = (
        lyapunov(cell, inputs, s0=np.full(2 * cell.width, 0.1), every=1)
        for cell, inputs in ((differing(behind), x), (vanilla_cell(), padded[:-1] - padded[1:]))
    )
    np.testing.assert_allclose(found.exponents, expected.exponents, rtol=0, atol=1e-10)
    undriven = lyapunov(vanilla_cell(), np.zeros_like(x), s0=np.full(2 * found.s.size // 2, 0.1), every=1)
    assert np.abs(undriven.exponents - found.exponents).max() > 1e-3


@pytest.mark.parametrize("behind", [0, 2, 5])
def test_a_fixed_point_is_where_a_long_run_with_that_input_ends(behind: int) -> None:
    cell = replace(augmented_cell("all"), behind=behind)
    x = np.array([0.3, -0.2])[: cell.input_width]
    x = np.resize(x, cell.input_width)
    found = fixed_points(cell, x, starts=8)
    stable = [point.s for point in found.points if point.stable]
    trajectory = run(cell, np.tile(x, (600, 1)))
    far = np.concatenate([trajectory.s[500], trajectory.r[500]])  # the end itself sees zeros past the sequence
    assert min(np.abs(point - far).max() for point in stable) < 1e-8
    plane = phase_plane(cell, x, starts=2, steps=20, grid=5)
    assert np.isfinite(plane.field).all()
