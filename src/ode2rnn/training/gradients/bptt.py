"""Back-propagation through time: the cotangents of the ticks, one after another, from the last to the first.

Home of: B1, B2, B3.  Source: "RNN Training Difficulties".

B1  chi[n] = dE/dr[n] = (partial E / partial r[n]) + W_r^T psi[n+1]
B2  psi[n] = dE/ds[n] = chi[n] * G'(s[n]) + W_s^T psi[n+1],   psi[N] = 0       (the standard RNN has no W_s)
B3  dE/dW_r = sum_n psi[n] r[n-1]^T,   dE/dW_x = sum_n psi[n] x[n]^T,   dE/dtheta_s = sum_n psi[n],
    dE/dW_s = sum_n psi[n] s[n-1]^T

One n of them is the cotangent of a tick, ``System.step_vjp``, which stands beside the tick of each cell. A cell with
taps has one such term for every lag k: W_r[k]^T psi[n+k] in chi[n], and so on. An undelayed readout, k = 0, has
W_r[0]^T psi[n] in chi[n], so that psi[n] solves a linear equation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ode2rnn.core.arrays import Array, broadcast_to, check_count, check_flag, stack
from ode2rnn.core.run import Remembered, check_system, remembered
from ode2rnn.core.systems import states
from ode2rnn.core.systems.system import System
from ode2rnn.discrete.unroll import Position, Unrolled, unroll
from ode2rnn.training.gradients.backward import Backward, check_growth, cotangent, summed
from ode2rnn.training.gradients.short_states import Back, back_at_once


def bptt(
    cell: System,
    x: Any,
    r_bar: Array | Callable[[Array], Array],
    s0: Any = None,
    *,
    s_bar: Any = None,
    segment: int | None = None,
    carry: bool = True,
) -> Backward:
    """Gradients of an objective E of the readouts, by back-propagation through time (B1-B3).

    Args:
        cell: any System: a recursion, an LSTM or GRU (L7-L11, X4-X7; their readout r is v), a Sampled model, a Map, a
            cell of your own; or one of them unrolled, which has its own segments.
        x: inputs (N, ..., m), as `run` takes them.
        r_bar: partial E / partial r[n], of the shape of the readouts (N, ..., d); or a function that takes the
            readouts of the forward run to it.
        s0: s[-1], or the cell's own state, as `run` takes it.
        s_bar: partial E / partial s[n], (N, ..., d), where E depends on the states themselves.
        segment: truncated BPTT, the errors flow back within segments of this many samples; the whole sequence by
            default. An input that a cell remembers gets no error from a later segment.
        carry: with ``segment``: the forward state goes on from segment to segment (True), or is set to zero at the
            start of each, which is the unrolled network (False).

    Returns:
        Backward: gradients, x_bar, psi, chi, s0_bar and the forward run. NumPy arrays, or tensors where the cell
        holds tensors (differentiable again where they ask for gradients).

    Raises:
        ValueError: no System, a cell that has no cotangent, wrong shapes, NaN.
        SimulationError: the forward run or the gradients overflowed.

    Example:
        >>> from ode2rnn import CanonicalRNN
        >>> cell = CanonicalRNN(W_s=0.0, W_r=0.9, W_x=1.0, theta_s=0.0, activation="identity")
        >>> gradients, x_bar, psi = bptt(cell, np.ones(4), r_bar=[0.0, 0.0, 0.0, 1.0])
        >>> psi.ravel()
        array([0.729, 0.81 , 0.9  , 1.   ])
        >>> gradients.theta_s
        array([3.439])
    """
    check_system(cell)
    length = None if segment is None else check_count("segment", segment)
    carried = check_flag("carry", carry) or length is None
    whole = cell if carried or length is None else unroll(cell, length)
    # of the network that is unrolled here the caller says the state of the cell alone
    given = Position(0, s0) if whole is not cell and isinstance(s0, cell.State) else s0
    forward = remembered(whole, x, given)
    s, r = forward.trajectory.s, forward.trajectory.r
    of_r = cotangent("r_bar", r_bar(r) if callable(r_bar) else r_bar, r)
    of_s = None if s_bar is None else cotangent("s_bar", s_bar, s)
    with np.errstate(all="ignore"):  # overflow is told below
        back = back_at_once(whole, forward, of_s, of_r, length) or _tick_by_tick(whole, forward, of_s, of_r, length)
        psi, chi, x_bars, sums, bar = back
        if forward.start is not None:
            for name, value in whole.init_sums(forward.start, bar).items():
                sums[name] = sums[name] + value
        s0_bar = _start_bar(whole, s0, given, forward.start, bar)
        x_bar = None if forward.trajectory.x is None else _input_bar(whole, forward.trajectory.x, [*x_bars])
    check_growth(psi, (*sums.values(), x_bar))
    # K copies of one cell share its weights: their record is the cell's
    learned = cell.cell if isinstance(cell, Unrolled) else cell
    return Backward(learned.with_weights(sums), x_bar, psi, chi, s0_bar, forward.trajectory)


def _tick_by_tick(cell: System, forward: Remembered, of_s: Array | None, of_r: Array, length: int | None) -> Back:
    """The loop over the ticks, from the last to the first."""
    N = len(of_r)
    psi: list[Any] = [None] * N
    chi: list[Any] = [None] * N
    x_bars: list[Any] = [None] * N
    sums: dict[str, Array] = {}
    bar: Any = None
    for n in range(N - 1, -1, -1):
        before, seen = forward.states[n], None if forward.seen is None else forward.seen[n]
        own = cell.readout_vjp(forward.states[n + 1], None if of_s is None else of_s[n], of_r[n])
        # at the end of a segment nothing comes back from the next
        cut = bar is None or (length is not None and (n + 1) % length == 0)
        bar = own if cut else states.added(bar, own)
        psi[n], of_readout = cell.errors(before, seen, bar)
        chi[n] = of_r[n] if of_readout is None else of_readout
        bar, x_bars[n], record = cell.step_vjp(before, seen, bar)
        for name, value in record.weights().items():
            sums[name] = sums[name] + value if name in sums else value
    return Back(stack(psi), stack(chi), x_bars, sums, bar)


def _input_bar(cell: System, x: Array, bars: list[Array]) -> Array:
    """dE/dx, of the shape of x, from those of what each tick saw."""
    shape = np.broadcast_shapes(*(tuple(bar.shape) for bar in bars))
    return summed(cell.prepared_vjp(stack([broadcast_to(bar, shape) for bar in bars])), tuple(x.shape), 1)


def _start_bar(cell: System, s0: Any, given: Any, start: Array | None, bar: Any) -> Any:
    """dE by s0: of the shape of s0, or as a state of the cell's own where s0 was one."""
    if start is None:
        found = _like_state(given, bar)
        return found if given is s0 else found.memory
    total = cell.init_vjp(start, bar)
    return total if s0 is None else summed(total, tuple(np.shape(s0)))


def _like_state(state: Any, bar: Any) -> Any:
    """The cotangent of a state, each array of the shape of the state's own, zero where nothing came back."""
    if isinstance(state, tuple):
        parts = [_like_state(*pair) for pair in zip(state, bar, strict=True)]
        return type(state)(*parts) if hasattr(state, "_fields") else tuple(parts)
    if not states.is_array(state):
        return bar
    return 0 * state if bar is None else summed(bar, tuple(state.shape))
