"""Whose a bifurcation is: the system's, or that of the solver that sampled it.

Uses: C10, D6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ode2rnn.analysis.bifurcations.points import BifurcationPoint
from ode2rnn.analysis.bifurcations.problem import BranchProblem

# what a crossing of the equation becomes in its samples
IMAGE = {"Hopf": "Neimark-Sacker"}
NEARER, SAME = 0.75, 1e-7
# apart by as much of the range of the samples at a value, or of so small a part of the range of all
APART, SMALL = 0.1, 0.05


Points = Sequence[BifurcationPoint]


def owners(points: Points, halves: Points, flows: Points, own: BranchProblem) -> list[BifurcationPoint]:
    """The points with where they are at half the step and in the equation, and whose they are."""
    if own.half is None:  # an equation: its roots know no step
        return [replace(point, half=point.value, flow=point.value, owner="system") for point in points]
    half, flow = _paired(points, halves), _paired(points, flows)
    judged = []
    for k, point in enumerate(points):
        a, b = half.get(k), flow.get(k)
        at_half, in_flow = (np.nan if other is None else other.value for other in (a, b))
        gap, after = abs(point.value - in_flow), abs(at_half - in_flow)
        known = b is not None and a is not None and (after <= NEARER * gap or after <= SAME * (1 + abs(in_flow)))
        # known at some values only, it lies somewhere between two of them
        if b is not None and a is not None and point.between[0] != point.between[1]:
            known = known or after <= gap
        judged.append(replace(point, half=at_half, flow=in_flow, owner="system" if known else "solver"))
    return judged


def _paired(points: Points, others: Points) -> dict[int, BifurcationPoint]:
    """To each point its own among the others: of the same kind, the nearest pairs first."""
    pairs = sorted(
        (abs(point.value - other.value) + float(np.abs(point.s - other.s).max()), k, n)
        for k, point in enumerate(points)
        for n, other in enumerate(others)
        if IMAGE.get(other.kind, other.kind) == point.kind
    )
    chosen: dict[int, BifurcationPoint] = {}
    taken: set[int] = set()
    for _, k, n in pairs:
        if k not in chosen and n not in taken:
            chosen[k] = others[n]
            taken.add(n)
    return chosen


def compared(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """At which values (K,) the runs (K, N, M) reach other extremes, or only one of them diverges."""
    finite = np.concatenate([a[np.isfinite(a)] for a in (first, second)])
    if not len(finite):
        return np.zeros(len(first), dtype=bool)
    least = SMALL * max(float(np.ptp(finite)), 1e-9)
    differs = []
    for a, b in zip(first, second, strict=True):
        lost = np.isnan(a).any() != np.isnan(b).any()
        if np.isnan(a).all() or np.isnan(b).all():
            differs.append(bool(lost))
            continue
        apart = APART * max(least, float(np.nanmax([a, b]) - np.nanmin([a, b])))
        # sets of attractors: as each run of one has its like among the other
        sets = [
            np.stack([np.nanmin(v, axis=1), np.nanmax(v, axis=1)], axis=1)[~np.isnan(v).any(axis=1)] for v in (a, b)
        ]
        gaps = np.abs(sets[0][:, None] - sets[1][None]).max(axis=-1)
        differs.append(bool(lost or gaps.min(axis=0).max() > apart or gaps.min(axis=1).max() > apart))
    return np.array(differs)
