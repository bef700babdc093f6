"""Where a network is stable, over any two of its parameters.

Uses: C10, D6.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ode2rnn.analysis.memory.taps import linear_taps
from ode2rnn.analysis.progress import progress
from ode2rnn.analysis.sampling import STEP, Sampling, check_sampling
from ode2rnn.analysis.spectra.linear import HeldLinearization, linearized, rest_state, roots_at, whole_state
from ode2rnn.analysis.spectra.many_roots import equilibria, largest_modulus, largest_real_part
from ode2rnn.analysis.spectra.radius import SMALL, spectral_radius
from ode2rnn.analysis.spectra.spectrum import companion, resting
from ode2rnn.analysis.subject import Subject, as_subject
from ode2rnn.continuous.additive import AdditiveModel
from ode2rnn.core.arrays import brief, check_array, check_shape, to_numpy
from ode2rnn.core.systems.flow import Flow
from ode2rnn.core.systems.kinds import as_flow
from ode2rnn.core.trajectory import SimulationError

Axis = tuple[str, Sequence[float]]


@dataclass(frozen=True, eq=False)
class StabilityChart:
    """The largest growth of small deviations from rest, on a grid of two parameters.

    Attributes:
        names: of the two parameters.
        first, second: their values, (K,) and (L,).
        values: (K, L): the largest real part of a characteristic root, per unit of time, of the equation; or the
            largest modulus of a multiplier, per tick, of its samples. NaN where no equilibrium was found, or where the
            work was interrupted.
        limit: what of ``values`` is stable is below it: 0 of a real part, 1 of a modulus.
        rest: the equilibrium at each point, (K, L, d).
        scheme: of the samples; "" for the equation.
    """

    names: tuple[str, str]
    first: np.ndarray
    second: np.ndarray
    values: np.ndarray
    limit: float
    rest: np.ndarray
    scheme: str

    @property
    def stable(self) -> np.ndarray:
        """Where the equilibrium is stable, (K, L) of bool."""
        return self.values < self.limit

    @property
    def unknown(self) -> int:
        """At how many points there is no value."""
        return int(np.isnan(self.values).sum())

    def boundary(self) -> list[np.ndarray]:
        """Where stability changes: linear interpolation along the rows of the grid, one array (Q, 2) a row."""
        lines = []
        for k, row in enumerate(self.values - self.limit):
            at = np.flatnonzero(np.sign(row[1:]) * np.sign(row[:-1]) < 0)
            part = row[at] / (row[at] - row[at + 1])
            crossing = self.second[at] + part * (self.second[at + 1] - self.second[at])
            lines.append(np.stack([np.full(len(at), self.first[k]), crossing], axis=1))
        return lines


def stability_chart(
    system: object,
    first: Axis,
    second: Axis,
    sampling: Sampling | str | None = None,
    *,
    at: ArrayLike | None = None,
    x: ArrayLike | None = None,
) -> StabilityChart:
    """Return the largest real part of a flow's roots, or the largest modulus of a map's, over two parameters.

    The equilibrium is followed over the grid by Newton's method, from that of the system as it is.

    Args:
        system: a Flow, a System, or a layer, as `bifurcation` takes it.
        first, second: (name, values), the names as `bifurcation` takes them; the values increase.
        sampling: how the samples of a Flow are made, or the name of a scheme; None for the flow itself.
        at: the equilibrium to start from, (d,); by default the one found from 0.
        x: the constant input (m,).

    An interrupt (Ctrl-C) ends the work; what is done is returned.

    Raises:
        ValueError: an unknown name, values that do not increase, the same name twice, a dT without a sampling or the
            reverse, a dT that does not divide the delay.
        SimulationError: no equilibrium to start from.

    Example:
        >>> from ode2rnn import ContinuousRNN
        >>> loop = ContinuousRNN(A=-1.0, B=-2.0, C=None, phi=None, tau=1.0)
        >>> chart = stability_chart(loop, ("gain", [0.25, 1.0]), ("tau", [1.0, 1.2, 1.22]))
        >>> chart.stable  # with w = -2 it oscillates beyond tau = 1.2092
        array([[ True,  True,  True],
               [ True,  True, False]])
    """
    subject = as_subject(system, "model")
    axes = [_axis("first", first), _axis("second", second)]
    (name_1, values_1), (name_2, values_2) = axes
    if name_1 == name_2:
        raise ValueError(f"second: expected another parameter than {name_1!r}, got it twice")
    sampled = check_sampling(sampling, (name_1, name_2), subject.discrete)
    held = None if x is None else check_shape("x", to_numpy(check_array("x", x)), (subject.input_width,))
    # at every pair of values the system, and where it rests there: continued from rest at its own values
    own = subject.plain()
    base, subjects = resting(own, at, held), _grid(own, axes)
    origin = [0 if name == STEP else int(np.abs(axis - own.value_of(name)).argmin()) for name, axis in axes]
    rests = next((rest for kind, rest in FAST_RESTS.items() if isinstance(own, kind)), _rests)
    rest = rests(subjects, base, held, (origin[0], origin[1]))
    values = np.full((len(values_1), len(values_2)), np.nan)
    discrete = sampled is not None or subject.discrete
    scheme = "" if sampled is None else sampled.scheme
    chart = StabilityChart((name_1, name_2), values_1, values_2, values, 1.0 if discrete else 0.0, rest, scheme)
    # characteristic roots of all the grid's matrices are counted together; a map's multipliers come row by row
    if not discrete and not as_flow("model", own).feedback_width:
        linear = [
            _matrices(flow, s, held) for flow, s in zip(subjects.ravel(), rest.reshape((-1, len(base))), strict=True)
        ]
        largest_real_part(linear, values.reshape(-1))
        return chart

    def step(k: int, n: int) -> float:
        given = values_1[k] if name_1 == STEP else values_2[n] if name_2 == STEP else None
        return float(given if given is not None else (sampled and sampled.dt) or 0.0)

    try:
        with progress(len(values), "stability chart", "row") as bar:
            for k in range(len(values)):
                row = subjects[k]
                if sampled is not None:
                    row = [sampled.of(flow, step(k, n)) for n, flow in enumerate(row)]
                _fill(row, rest[k], held, values[k])
                bar.update(1)
    except KeyboardInterrupt:
        pass
    return chart


def _matrices(flow: Flow, s: np.ndarray, x: np.ndarray | None) -> dict[float, np.ndarray]:
    """The matrices about ``s``; NaN where there is no rest."""
    if np.isnan(s).any():
        return {0.0: np.full((len(s), len(s)), np.nan)}
    return linearized(HeldLinearization(flow, x), s)


def _fill(row: Sequence[Subject], rests: np.ndarray, x: np.ndarray | None, values: np.ndarray) -> None:
    """Write the largest modulus of each map's multipliers, or the largest real part; small recursions all at once."""
    matrices: list[np.ndarray | None] = []
    for n, subject in enumerate(row):
        s, matrix = rests[n], None
        if np.isfinite(s).all():
            taps = linear_taps(subject, s)
            if taps is not None and max(taps) * subject.width <= SMALL:
                matrix = companion(taps)
            else:
                values[n] = _leading(subject, s, x)
        matrices.append(matrix)
    largest_modulus(matrices, values)


def _leading(subject: Subject, s: np.ndarray, x: np.ndarray | None) -> float:
    """That of one system; NaN where its roots are not resolved."""
    try:
        if subject.discrete:
            return spectral_radius(subject, s, x=x)
        return float(roots_at(subject, whole_state(subject, s, x), x)[0].real)
    except SimulationError:
        return float("nan")


def _rests(subjects: np.ndarray, start: np.ndarray, x: np.ndarray | None, origin: tuple[int, int]) -> np.ndarray:
    """The rests (K, L, n), row by row, each looked for from that of the point before it; NaN where it was lost."""
    found = np.full((*subjects.shape, len(start)), np.nan)
    for k in range(len(subjects)):
        guess = start if k == 0 or np.isnan(found[k - 1, 0]).any() else found[k - 1, 0]
        for n, subject in enumerate(subjects[k]):
            try:
                found[k, n] = guess = rest_state(subject, x, guess)
            except SimulationError:
                continue
    return found


# networks alone are solved for many values at once
FAST_RESTS: dict[type, Callable[..., np.ndarray]] = {AdditiveModel: equilibria}


def _axis(name: str, axis: Axis) -> tuple[str, np.ndarray]:
    try:
        label, values = axis
    except (TypeError, ValueError):
        raise ValueError(f"{name}: expected a pair (name, values), got {brief(axis)}") from None
    array = to_numpy(check_array(f"{name}, values", values))
    if array.ndim != 1 or len(array) < 1 or (np.diff(array) <= 0).any():
        raise ValueError(f"{name}, values: expected increasing numbers, got {brief(values)}")
    return str(label), array


def _grid(subject: Subject, axes: list[tuple[str, np.ndarray]]) -> np.ndarray:
    """The systems at the points of the grid, (K, L) of object."""
    subjects = np.empty([len(values) for _, values in axes], dtype=object)
    (name_1, values_1), (name_2, values_2) = axes
    one = _changing(subject, name_1)
    _changing(subject, name_2)  # a name that is wrong is told of at once
    for k, value in enumerate(map(float, values_1)):
        two = _changing(one(value), name_2)
        for n, other in enumerate(map(float, values_2)):
            subjects[k, n] = two(other)
    return subjects


def _changing(subject: Subject, name: str) -> Callable[[float], Subject]:
    sampled_later = name == STEP and not subject.discrete
    return (lambda value: subject) if sampled_later else subject.parameter(name)
