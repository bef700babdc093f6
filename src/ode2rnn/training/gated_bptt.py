"""Back-propagation through time for the gated cells: the forward run, and the cotangents of its ticks.

Uses: L7 to L11, X4 to X7.  The equations themselves stand beside the cells.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ode2rnn.core.arrays import Array, brief, broadcast_to, check_count, check_flag, stack
from ode2rnn.core.run import run
from ode2rnn.core.states import added, mapped
from ode2rnn.core.system import System
from ode2rnn.discrete.unroll import Position, spread, unroll
from ode2rnn.training.backward import Backward, check_growth, cotangent, summed


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
    if not isinstance(cell, System):
        raise ValueError(f"cell: expected a System, got {brief(cell)}")
    length = None if segment is None else check_count("segment", segment)
    zeroed = None if check_flag("carry", carry) else length
    start = Position(0, s0) if isinstance(s0, cell.State) else s0
    forward = run(cell, x, s0) if zeroed is None else run(unroll(cell, zeroed), x, start)
    s, v = forward.s, forward.r
    v_bar = cotangent("r_bar", v_bar(v) if callable(v_bar) else v_bar, v)
    s_bar = None if s_bar is None else cotangent("s_bar", s_bar, s)
    seen, N = cell.prepare(spread(forward.x, tuple(s.shape[1:-1]))), len(s)
    if isinstance(s0, cell.State):
        state = cell.resume(s0, tuple(s.shape[1:-1]))
    else:
        state = cell.init(broadcast_to(0 * s[0] if s0 is None else s0 + 0 * s[0], tuple(s.shape[1:])))
    states, rest = [], mapped(lambda a: 0 * a, state)
    psi, chi, x_bar, sums, bar = [None] * N, [None] * N, [None] * N, {}, rest
    with np.errstate(all="ignore"):  # overflow is told below
        for n in range(N):
            states.append(rest if zeroed and n and n % zeroed == 0 else state)
            state = cell.step(states[-1], seen[n])
        states.append(state)
        for n in reversed(range(N)):
            if length is not None and (n + 1) % length == 0:
                bar = rest
            bar = added(bar, cell.readout_vjp(states[n + 1], None if s_bar is None else s_bar[n], v_bar[n]))
            psi[n], chi[n] = cell.errors(states[n], seen[n], bar)
            bar, x_bar[n], record = cell.step_vjp(states[n], seen[n], bar)
            sums = {name: value + sums.get(name, 0) for name, value in record.weights().items()}
        inputs = summed(cell.prepared_vjp(stack(x_bar)), tuple(forward.x.shape), 1)
    check_growth((*psi, *sums.values()))
    if isinstance(s0, cell.State):
        bar = type(bar)(*(summed(value, tuple(np.shape(own))) for value, own in zip(bar, s0, strict=True)))
    else:
        bar = bar[0] if s0 is None else summed(bar[0], tuple(np.shape(s0)))
    return Backward(cell.with_weights(sums), inputs, stack(psi), stack(chi), bar, forward)
