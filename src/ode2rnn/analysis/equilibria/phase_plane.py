"""The motion of a system seen in a plane: its field, its nullclines, its orbits and where it rests.

Uses: C7, D5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ode2rnn.analysis.equilibria.fixed_points import FixedPoints, fixed_points
from ode2rnn.analysis.subject import Subject, as_subject, at_rest
from ode2rnn.core.arrays import check_array, check_choice, check_count, check_positive, check_shape, to_numpy
from ode2rnn.core.signals import Constant
from ode2rnn.core.systems.flat import Flat
from ode2rnn.core.systems.kinds import as_flow
from ode2rnn.core.trajectory import SimulationError
from ode2rnn.solvers.integrate import integrate

SAMPLES = 400  # points of an orbit of a flow
MARGIN = 0.25
LEAVES = 1e6


@dataclass(frozen=True, eq=False)
class PhasePlane:
    """A system in the plane centre + a first + b second; a system of one number on a line.

    Attributes:
        names: of the axes.
        discrete: whether it is a map: then the field is F(s) - s.
        centre: what the other coordinates are held at, (n,).
        axes: the one or two directions of the picture, orthonormal, (1 or 2, n).
        a, b: the grid along them, (P,) and (Q,); b is empty on a line.
        field: the rate or the displacement along the directions, (Q, P, 2), on a line (P, 1). Where the components
            vanish are the nullclines.
        orbits: in the coordinates of the picture, one (T, 2) or (T, 1) for each start.
        points: the fixed points.
        places: where they are in the picture, (K, 2) or (K, 1).
        off: their distance from the plane, (K,).
        held: what is held and how, in words; "" where nothing is.
    """

    names: tuple[str, ...]
    discrete: bool
    centre: np.ndarray
    axes: np.ndarray
    a: np.ndarray
    b: np.ndarray
    field: np.ndarray
    orbits: tuple[np.ndarray, ...]
    points: FixedPoints
    places: np.ndarray
    off: np.ndarray
    held: str


def phase_plane(
    system: object,
    x: ArrayLike | None = None,
    *,
    axes: Sequence[int] | str = (0, 1),
    at: ArrayLike | None = None,
    span: ArrayLike | None = None,
    starts: int | ArrayLike = 12,
    T: float = 30.0,
    steps: int = 200,
    grid: int = 61,
    seed: int = 0,
) -> PhasePlane:
    """Return the field on a grid, orbits from several starts, and the fixed points, all in one plane.

    Of a system of more than two numbers the plane is a slice along two coordinates, the others held at ``at``; or,
    with axes="principal", the two directions along which the orbits spread most, through their mean. Of an equation
    with delays, and of a recursion that remembers more than one tick, the field is that of a past at rest; the orbits
    are its own.

    Args:
        system: as `fixed_points` takes it.
        x: the constant input (m,).
        axes: two indices of the state, or "principal".
        at: the state (n,) that the slice goes through; by default the first fixed point.
        span: ((a0, a1), (b0, b1)), or (a0, a1) on a line; by default what the orbits and the fixed points need.
        starts: how many orbits, or the states they start from, (K, n).
        T: time of the orbits of a flow.
        steps: of the orbits of a map.
        grid: points along each axis.
        seed: of the starts.

    Raises:
        ValueError: no system, axes that the state does not have, wrong shapes.

    Example:
        >>> from ode2rnn import ContinuousRNN
        >>> plane = phase_plane(ContinuousRNN(-np.eye(2), 2 * np.eye(2), None, None), starts=4, grid=11)
        >>> plane.field.shape, len(plane.points), plane.held
        ((11, 11, 2), 9, '')
    """
    given = None if isinstance(starts, int | np.integer) else to_numpy(check_array("starts", starts))
    if given is not None and given.ndim != 2:
        raise ValueError(f"starts: expected a number, or states of shape (K, n), got shape {given.shape}")
    subject = as_subject(system)
    flat = at_rest(subject)
    n, u = flat.size, flat.constant(x)
    chosen = _indices(axes, n)
    points = fixed_points(subject, x, seed=seed)
    if given is None:
        reach = 1.0 + (np.abs(points.states).max() if len(points) else 0.0)
        given = reach * np.random.default_rng(seed).uniform(-1, 1, (check_count("starts", starts), n))
    elif given.shape[1] != n:
        raise ValueError(f"starts: expected shape (K, {n}), got {given.shape}")
    T, steps = check_positive("T", T), check_count("steps", steps)
    paths = [_orbit(subject, x, s, T, steps) for s in given]
    centre = points[0].s if len(points) else np.zeros(n)
    if at is not None:
        centre = check_shape("at", to_numpy(check_array("at", at)), (n,))
    if chosen is None:
        centre, directions, names, held = _principal(paths)
    else:
        directions = np.eye(n)[chosen]
        names = tuple(_labels(flat)[k] for k in chosen)
        held = _held(flat, centre, chosen)
        centre = centre * (~np.isin(np.arange(n), chosen))
    if not subject.discrete and as_flow("system", subject).delays:
        held = "; ".join(filter(None, [held, "field: a past at rest"]))
    orbits = tuple((path - centre) @ directions.T for path in paths)
    places = (points.states - centre) @ directions.T
    off = np.linalg.norm(points.states - centre - places @ directions, axis=1)
    longest = max(len(orbit) for orbit in orbits)  # what leaves would take the picture along
    spans = _spans(span, [*(orbit for orbit in orbits if len(orbit) == longest), places], len(directions))
    a, *others = (np.linspace(low, high, check_count("grid", grid, 2)) for low, high in spans)
    b = others[0] if others else np.zeros(0)
    mesh = np.stack(np.meshgrid(a, b), axis=-1) if others else a[:, None]
    states = centre + mesh.reshape((-1, len(directions))) @ directions
    # the rate, or how far a step takes a state
    field = (flat.residual(states, u) @ directions.T).reshape(mesh.shape)
    return PhasePlane(names, flat.discrete, centre, directions, a, b, field, orbits, points, places, off, held)


def _indices(axes: Sequence[int] | str, n: int) -> list[int] | None:
    """The coordinates of the picture; None for principal axes."""
    if n == 1:
        return [0]
    if isinstance(axes, str):
        check_choice("axes", axes, ("principal",))
        return None
    chosen = [check_count("axes", k, 0) for k in axes]
    if len(chosen) != 2 or chosen[0] == chosen[1] or max(chosen) >= n:
        raise ValueError(f"axes: expected two different indices below {n}, or 'principal', got {tuple(axes)}")
    return chosen


def _labels(flat: Flat) -> list[str]:
    """A name for every coordinate, as h_2 or s_1."""
    return [f"{name}_{k + 1}" if length > 1 else name for name, length in flat.names for k in range(length)]


def _held(flat: Flat, centre: np.ndarray, chosen: list[int]) -> str:
    others = [k for k in range(flat.size) if k not in chosen]
    if not others:
        return ""
    labels = _labels(flat)
    text = ", ".join(f"{labels[k]} = {centre[k]:.3g}" for k in others[:4])
    return f"held: {text}" + (f" and {len(others) - 4} more" if len(others) > 4 else "")


def _principal(paths: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], str]:
    # where the orbits go, and not where they were put
    late = np.concatenate([path[len(path) // 10 :] for path in paths])
    centre = late.mean(axis=0)
    _, sizes, directions = np.linalg.svd(late - centre, full_matrices=False)
    if len(sizes) < 2 or sizes[1] <= 1e-9 * (1 + np.abs(late).max()):
        everything = np.concatenate(paths)
        centre = everything.mean(axis=0)
        _, sizes, directions = np.linalg.svd(everything - centre, full_matrices=False)
    share = 100 * (sizes[:2] ** 2).sum() / max((sizes**2).sum(), 1e-300)
    names = ("first principal axis", "second principal axis")
    return (
        centre,
        directions[:2],
        names,
        f"held: all other axes at the mean; these two have {share:.1f}% of the variance",
    )


def _orbit(subject: Subject, x: ArrayLike | None, s: np.ndarray, T: float, steps: int) -> np.ndarray:
    """The states of an orbit from ``s``, a past at rest, (T, n), up to where it leaves."""
    inner, _ = subject.inner()
    if not inner.discrete:
        signal = None if x is None else Constant(x)
        try:
            return to_numpy(integrate(inner, signal, t=np.linspace(0.0, T, SAMPLES), history=s, rtol=1e-8, atol=1e-9).s)
        except SimulationError as error:
            part = error.trajectory
            return s[None] if part is None or not len(part.t) else to_numpy(part.s)
    moving = Flat(inner)
    u, state = moving.constant(x), moving.start(s)
    states = [s]
    with np.errstate(all="ignore"):
        for _ in range(steps):
            try:
                state = moving.advance(state, u)
            except SimulationError:  # an implicit tick without solution
                break
            if not np.abs(state).max() < LEAVES:
                break
            states.append(state[: len(s)])
    return np.array(states)


def _spans(span: ArrayLike | None, clouds: list[np.ndarray], count: int) -> list[tuple[float, float]]:
    if span is not None:
        pairs = to_numpy(check_array("span", span)).reshape((-1, 2))
        if len(pairs) != count or (pairs[:, 1] <= pairs[:, 0]).any():
            raise ValueError(f"span: expected {count} pairs (low, high), got {span!r}")
        return [(float(low), float(high)) for low, high in pairs]
    together = np.concatenate([cloud for cloud in clouds if len(cloud)])
    low, high = np.quantile(together, 0.005, axis=0), np.quantile(together, 0.995, axis=0)
    for cloud in clouds[-1:]:
        if len(cloud):
            low, high = np.minimum(low, cloud.min(axis=0)), np.maximum(high, cloud.max(axis=0))
    wide = np.maximum(high - low, 1e-3 * (1 + np.abs(low)))
    return [
        (float(left - MARGIN * w), float(right + MARGIN * w)) for left, right, w in zip(low, high, wide, strict=True)
    ]
