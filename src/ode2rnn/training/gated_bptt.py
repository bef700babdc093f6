"""Back-propagation through time for the gated cells: the forward run, the paper's equations, the sums.

Uses: L7 to L11, X4 to X7.  The equations themselves stand beside the cells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ode2rnn.core.arrays import Array, brief, check_count, check_flag
from ode2rnn.core.run import run
from ode2rnn.discrete.unroll import Position, spread, unroll
from ode2rnn.gated import augmented_backward, vanilla_backward
from ode2rnn.gated.augmented import AugmentedLSTM
from ode2rnn.gated.cell import GatedCell, LSTMState
from ode2rnn.gated.vanilla import VanillaLSTM
from ode2rnn.training.backward import Backward, check_growth, cotangent, summed

PASSES: dict[type, Any] = {VanillaLSTM: vanilla_backward, AugmentedLSTM: augmented_backward}


def gated_bptt(
    cell: Any,
    x: Any,
    v_bar: Array | Callable[[Array], Array],
    s0: Any = None,
    s_bar: Any = None,
    segment: int | None = None,
    carry: bool = True,
) -> Backward:
    """Gradients of an objective E of the readouts v[n] of a gated cell; the arguments are those of `bptt`."""
    if type(cell) not in PASSES:
        raise ValueError(
            f"cell: expected a CanonicalRNN or TappedRNN, {' or '.join(kind.__name__ for kind in PASSES)}, whose"
            f" backward pass is written out, got {brief(cell)}; torch differentiates a run of any cell of tensors"
        )
    equations = PASSES[type(cell)]
    length = None if segment is None else check_count("segment", segment)
    zeroed = None if check_flag("carry", carry) else length
    forward = run(cell, x, s0) if zeroed is None else run(unroll(cell, zeroed), x, _position(cell, s0))
    s, v = forward.s, forward.r
    v_bar = cotangent("r_bar", v_bar(v) if callable(v_bar) else v_bar, v)
    s_bar = None if s_bar is None else cotangent("s_bar", s_bar, s)
    with np.errstate(all="ignore"):  # overflow is told below
        past, now = cell.replay(forward, s0, zeroed)
        errors, start_bar = equations.errors(cell, past, now, v_bar, s_bar, length or len(s))
        seen = cell.prepare(spread(forward.x, tuple(s.shape[1:-1])))
        sums = equations.gradients(cell, past, now, seen, errors)
        x_bar = summed(equations.input_bar(cell, errors), tuple(forward.x.shape), 1)  # type: ignore[union-attr]
    check_growth((errors.psi, *sums.values()))
    return Backward(replace(cell, **sums), x_bar, errors.psi, errors.chi, _start_bar(s0, start_bar), forward)


def _position(cell: GatedCell, s0: Any) -> Any:
    """s0 in the form that the run of an unrolled network takes."""
    return Position(0, s0) if isinstance(s0, LSTMState) else s0


def _start_bar(s0: Any, bar: LSTMState) -> Any:
    """dE by s0, of its shape."""
    if isinstance(s0, LSTMState):
        return LSTMState(*(summed(value, tuple(np.shape(own))) for value, own in zip(bar, s0, strict=True)))
    return bar.s if s0 is None else summed(bar.s, tuple(np.shape(s0)))
