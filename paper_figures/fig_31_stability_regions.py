"""From the s-plane to the z-plane under each scheme, with the regions of stability."""

from __future__ import annotations

from typing import Any

import numpy as np

from ode2rnn.continuous.rnn import ContinuousRNN
from ode2rnn.derivation.claim import Finding
from ode2rnn.discrete.canonical import as_tapped
from ode2rnn.discrete.schemes import discretize
from ode2rnn.plotting import COLOURS, new_axes

SECTION = "The Roots of RNN"
EQUATIONS = ("D6", "D10")
CLAIM = "Backward Euler takes the left half plane into the unit circle for every dT; forward Euler does not."
NAMES = {
    "forward_euler": "forward Euler",
    "backward_euler": "backward Euler (the paper's)",
    "tustin": "trapezoidal (tustin)",
    "exponential": "exponential",
}
RE = (-0.1, -0.5, -1.0, -2.0, -4.0)
IM = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)


def data(quick: bool = False) -> dict[str, Any]:
    """|z| over the plane of lambda dT, and the images of the axis and of a grid left of it."""
    count = 24 if quick else 72  # no point of the grid is 1 or 2, where rules divide by zero
    axis = np.linspace(-4.5, 4.5, count)
    up, left = np.linspace(-9, 9, 4 * count), np.linspace(-9, 0, 2 * count)
    lines = {f"re {a:g}": a + 1j * up for a in RE} | {f"im {b:g}": left + 1j * b for b in IM}
    found: dict[str, Any] = {"axis": axis, "modulus": {}, "images": {}, "boundary": {}}
    for scheme in NAMES:
        found["modulus"][scheme] = np.abs(pole_images(axis + 1j * axis[:, None], scheme))
        found["images"][scheme] = {name: pole_images(line, scheme) for name, line in lines.items()}
        found["boundary"][scheme] = pole_images(1j * up, scheme)
    return found


def draw(data: dict[str, Any]) -> Any:
    """Above the s-plane with the stable region, below the z-plane with the image of the left half plane."""
    figure, axes = new_axes(14, 7.4, 2, 4)
    circle = np.exp(2j * np.pi * np.linspace(0, 1, 200))
    for (above, below), (scheme, name) in zip(axes.T, NAMES.items(), strict=True):
        plane = data["axis"]
        above.contourf(plane, plane, data["modulus"][scheme], [0, 1], colors=[COLOURS[2]], alpha=0.22)
        above.contour(plane, plane, data["modulus"][scheme], [1], colors=[COLOURS[2]], linewidths=1.6)
        for image, pieces in (("re", RE), ("im", IM)):
            for at in pieces:
                line = data["images"][scheme][f"{image} {at:g}"]
                below.plot(line.real, line.imag, color=COLOURS[0 if image == "re" else 5], lw=1.0)
                across = np.array([plane[0], plane[-1]]) if image == "re" else np.array([plane[0], 0.0])
                ends = (np.full(2, at), across) if image == "re" else (across, np.full(2, at))
                above.plot(*ends, color=COLOURS[0 if image == "re" else 5], lw=1.0)
        edge = data["boundary"][scheme]
        above.axvline(0, color=COLOURS[1], lw=1.6)
        below.plot(circle.real, circle.imag, color="0.2", lw=1.4)
        below.plot(edge.real, edge.imag, "--", color=COLOURS[1], lw=1.6)
        below.fill(circle.real, circle.imag, color=COLOURS[2], alpha=0.15)
        above.set(title=name, xlim=(-4.5, 4.5), ylim=(-4.5, 4.5), aspect="equal", xlabel=r"Re $\lambda$ dT")
        below.set(xlim=(-2.1, 2.1), ylim=(-2.1, 2.1), aspect="equal", xlabel="Re z")
    axes[0, 0].set_ylabel(r"s-plane: Im $\lambda$ dT")
    axes[1, 0].set_ylabel("z-plane: Im z")
    axes[0, 0].text(0.35, 3.2, "green: |z| < 1,\nsampled stably", fontsize=9)
    axes[1, 1].text(-1.98, 1.5, "black: |z| = 1\nred: image of the imaginary axis", fontsize=9)
    return figure


def verdict(data: dict[str, Any]) -> Finding:
    """The largest |z| of any point left of the axis, scheme by scheme."""
    left = data["axis"] < -1e-9
    largest = {scheme: float(modulus[:, left].max()) for scheme, modulus in data["modulus"].items()}
    holds = largest["backward_euler"] < 1 and largest["tustin"] < 1 and largest["exponential"] < 1
    words = ", ".join(f"{scheme} {value:.3g}" for scheme, value in largest.items())
    return Finding("largest |z| < 1 but for forward Euler", words, holds and largest["forward_euler"] > 1)


def pole_images(points: np.ndarray, scheme: str, together: int = 16) -> np.ndarray:
    """Where sampling takes every lambda dT in ``points`` (D6, D10), as `pole_image` but many at once.

    A real 2 x 2 block has an eigenvalue and its conjugate; a scheme takes a block-diagonal A block by block.
    """
    found = []
    for first in range(0, points.size, together):
        part = points.ravel()[first : first + together]
        A = np.zeros((2 * len(part), 2 * len(part)))
        k = 2 * np.arange(len(part))
        A[k, k] = A[k + 1, k + 1] = part.real
        A[k + 1, k], A[k, k + 1] = part.imag, -part.imag
        cell = discretize(ContinuousRNN(A, np.zeros_like(A), None, None, tau=1.0), 1.0, scheme)
        W = as_tapped(cell).W_s[1]
        found.append(W[k, k] + 1j * W[k + 1, k])
    return np.concatenate(found).reshape(points.shape)
