"""The way back at once, for short states, gives what the loop over the ticks gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.contracts import mgu
from tests.contracts.subjects import SYSTEMS

from ode2rnn import bptt, run
from ode2rnn.core.arrays import is_torch
from ode2rnn.core.run import remembered
from ode2rnn.core.systems import states
from ode2rnn.training.gradients import short_states

CELLS = {**{name: cell for name, cell in SYSTEMS.items() if not is_torch(cell.like)}, "a cell of one's own": mgu.cell}


def numbers(back: Any) -> list[np.ndarray]:
    parts = [back.psi, back.chi, *back.gradients.weights().values(), *states.arrays_of(back.s0_bar)]
    return [*parts, *([] if back.x_bar is None else [back.x_bar])]


@pytest.mark.parametrize("segment", [None, 4])
@pytest.mark.parametrize("batch", [(), (3,)], ids=str)
@pytest.mark.parametrize("name", CELLS)
def test_at_once_is_tick_by_tick(
    name: str, batch: tuple[int, ...], segment: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell, rng = CELLS[name], np.random.default_rng(0)
    x = 0.3 * rng.normal(size=(9, *batch, cell.input_width))
    shown = run(cell, x)
    of_r, of_s, s0 = (rng.normal(size=shape) for shape in (shown.r.shape, shown.s.shape, (*batch, cell.width)))
    tolerance = 1e-9 if name == "Map" else 1e-12  # its derivatives are differences
    found = []
    for largest in (10**6, 0):
        monkeypatch.setattr(short_states, "LARGEST", largest)
        found.append(numbers(bptt(cell, x, of_r, 0.3 + 0.1 * s0, s_bar=of_s, segment=segment)))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


def test_cells_of_arrays_take_it() -> None:
    taken = {
        name: short_states.back_at_once(cell, a_run(cell), None, np.ones((3, cell.readout_width)), None)
        for name, cell in CELLS.items()
    }
    left = {name for name, back in taken.items() if back is None}
    assert left <= {name for name in CELLS if name.startswith(("Sampled", "TappedRNN"))}


def a_run(cell: Any) -> Any:

    return remembered(cell, np.ones((3, cell.input_width)))
