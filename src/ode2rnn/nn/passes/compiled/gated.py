"""The two passes of an LSTM over a sequence by compiled kernels: on the processor, in float32 or float64.

Uses: L1 to L11, X1 to X7.  The twin of the passes in plain torch.  The kernels run the loop over time; the products
that need none, of all ticks at once, are torch's. A row of activations holds du, cu, cs, cr, or with an external gate
du, cu, cs, cx, cr and, apart from du, its input term xi.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ode2rnn.core.activations import ACTIVATIONS
from ode2rnn.gated.augmented import LETTERS
from ode2rnn.kernels import door
from ode2rnn.kernels.products.packing import packed
from ode2rnn.nn.passes.compiled import simple
from ode2rnn.nn.passes.compiled.simple import kind, width
from ode2rnn.nn.passes.gated_weights import Weights, order


def fits(x: Tensor, s: Tensor) -> bool:
    """Whether the kernels can run this."""
    return simple.fits(ACTIVATIONS["tanh"], x, s)


def forward(
    x: Tensor, s: Tensor, v: Tensor, weights: Weights, keep: bool
) -> tuple[Tensor, Tensor, Tensor, tuple[Tensor, ...]]:
    """v[0 .. N-1], s[N-1], v[N-1], and what the backward pass needs: s[-1 .. N-1] and the gates.

    Raises:
        ValueError: a weight or a start whose shape, precision or memory is not what x and s ask for.
    """
    from ode2rnn.kernels.layers import gated

    at = _Arrays(x, s, v, weights)
    G = at.input_terms()
    ticks, batch = G.shape[:2]
    S, V = (door.empty((n, batch, d), at.dtype) for n, d in ((ticks + 1, at.d), (ticks, at.d_v)))
    S[0] = at.s
    gated.forward(at.packed(False), gated.Traces(S, G.numpy()), at.v, V)
    s_last, v_last = S[-1].copy(), V[-1].copy()
    return *map(torch.from_numpy, (V, s_last, v_last)), (torch.from_numpy(S), G)


def backward(
    x: Tensor,
    v: Tensor,
    V: Tensor,
    kept: tuple[Tensor, ...],
    weights: Weights,
    bars: Sequence[Tensor | None],
    needs: Sequence[bool],
) -> list[Tensor | None]:
    """The gradients of x, s[-1], v[-1] and the weights, each where it is needed, from those of the results (bars)."""
    from ode2rnn.kernels.layers import gated

    S, G = kept
    at = _Arrays(x, S[0], v, weights)
    ticks, batch, row = G.shape
    given = [
        door.empty((0, *of.shape[1:]), at.dtype)
        if bar is None
        else door.array("gradient", bar, tuple(of.shape), at.dtype)
        for bar, of in zip(bars, (V, S[0], v), strict=True)
    ]
    some = ticks if at.projected else 1
    shapes = (ticks, batch, row), (some, batch, at.d_v), (some, batch, at.d), (batch, at.d), (batch, at.d_v)
    out = gated.Results(*(door.empty(shape, at.dtype) for shape in shapes))
    gated.backward(at.packed(True), gated.Traces(S.numpy(), G.numpy()), gated.Bars(*given), out)
    Z, chi, q = (torch.from_numpy(values).flatten(0, 1) for values in (out.Z, out.chi, out.q))
    wanted = {letter for letter, need in zip(LETTERS, needs[3:], strict=True) if need}
    gradients = at.sums(Z, S, torch.cat([v[None], V[:-1]]), wanted)
    if "W_qdr" in wanted:
        gradients["W_qdr"] = chi.T @ q  # X7
    found = [gradients[letter].reshape(weights[letter].shape) if letter in wanted else None for letter in LETTERS]
    starts = (torch.from_numpy(start) if need else None for start, need in zip(out[3:], needs[1:3], strict=True))
    return [at.input_gradient(Z) if needs[0] else None, *starts, *found]


class _Arrays:
    """Inputs, start and weights as the kernels and the products take them, all of one precision, checked."""

    def __init__(self, x: Tensor, s: Tensor, v: Tensor, weights: Weights) -> None:
        self.dtype, self.gates, self.weights = kind(x.dtype), order(weights), {}
        self.batch, self.d, self.d_v, m = x.shape[1], s.shape[1], v.shape[1], x.shape[2]
        self.external, self.projected = len(self.gates) == 5, weights["W_qdr"] is not None
        W_x, W_s = weights["W_xcu"], weights["W_scu"]
        window = (len(W_x),) if W_x.ndim == 3 else ()
        d, shapes = self.d, {"x": (*window, self.d, m), "v": (self.d, self.d_v)}
        shapes["s"] = (d,) if W_s is not None and W_s.ndim == 1 else (d, d)
        for letter, W in weights.items():
            if W is not None:
                shape = (self.d_v, d) if letter == "W_qdr" else (d,) if letter[0] == "b" else shapes[letter[2]]
                self.weights[letter] = door.array(letter, W, shape, self.dtype)
        self.x = torch.from_numpy(door.array("x", x, tuple(x.shape), self.dtype))
        self.s, self.v = (
            door.array(name, value, (self.batch, n), self.dtype) for name, value, n in (("s", s, d), ("v", v, self.d_v))
        )
        self.window = window[0] if window else 1

    def _place(self, gate: str, inputs: bool = False) -> slice:
        """Where a gate stands in a row of activations, or its input term."""
        i = 5 if inputs and self.external and gate == "du" else self.gates.index(gate)
        return slice(i * self.d, (i + 1) * self.d)

    def _stacked(self, what: str, shape: tuple[int, ...]) -> np.ndarray:
        """The weights W_x? or biases of all gates in the rows of activations, zero where there are none."""
        whole = np.zeros(shape, self.dtype)
        for gate in self.gates:
            if f"{what}{gate}" in self.weights:
                whole[..., self._place(gate, what == "W_x"), :] = self.weights[f"{what}{gate}"].reshape(
                    (*shape[:-2], self.d, shape[-1])
                )
        return whole

    def _inputs(self) -> Tensor:
        row = (len(self.gates) + self.external) * self.d
        return torch.from_numpy(self._stacked("W_x", (self.window, row, self.x.shape[2])))

    def _seen(self, j: int) -> Tensor:
        """The j-th of the inputs that the windows see, one row for each tick and sequence."""
        return self.x[j : len(self.x) - self.window + 1 + j].flatten(0, 1)

    def input_terms(self) -> Tensor:
        """What the inputs and biases give the activations of all ticks (X1)."""
        W_x = self._inputs()
        bias = torch.from_numpy(self._stacked("b_", (W_x.shape[1], 1))[:, 0])
        G = torch.from_numpy(door.empty((len(self._seen(0)), W_x.shape[1]), self.dtype))
        torch.addmm(bias, self._seen(0), W_x[0].T, out=G)
        for j in range(1, self.window):
            G.addmm_(self._seen(j), W_x[j].T)
        return G.reshape((-1, self.batch, W_x.shape[1]))

    def input_gradient(self, Z: Tensor) -> Tensor:
        """The gradient of x."""
        x_bar, W_x = torch.zeros_like(self.x), self._inputs()
        for j in range(self.window):
            x_bar[j : len(self.x) - self.window + 1 + j].flatten(0, 1).addmm_(Z, W_x[j])
        return x_bar

    def packed(self, transposed: bool) -> tuple:
        """The recurrent weights for a pass, packed."""
        from ode2rnn.kernels.layers import gated

        panel, none = width(self.x.dtype), np.zeros((0, self.d), self.dtype)

        def stacked(letters: list[str]) -> np.ndarray:
            return np.concatenate([self.weights[letter] for letter in letters]) if letters else none

        peepholes = [f"W_s{gate}" for gate in self.gates[1:] if f"W_s{gate}" in self.weights]
        diagonal = bool(peepholes) and self.weights[peepholes[0]].ndim == 1
        full = [] if diagonal else peepholes
        matrices = [
            stacked([f"W_v{gate}" for gate in self.gates]),
            stacked(full[:-1]),
            stacked(full[-1:]),
            stacked(["W_qdr"] if self.projected else []),
        ]
        v, s, cr, q = (packed(W.T if transposed and len(W) else W, panel) for W in matrices)
        rows = stacked(peepholes if diagonal else []).reshape((-1, self.d))
        return gated.Packed(v, s, cr, rows, q)

    def sums(self, Z: Tensor, S: Tensor, past: Tensor, wanted: set[str]) -> dict[str, Tensor]:
        """The gradients of the weights, L11 and X7: sums over all ticks, of Z with what each weight acts on."""
        found = {}
        v, s, s_next = past.flatten(0, 1), S[:-1].flatten(0, 1), S[1:].flatten(0, 1)
        diagonal = "W_scu" in self.weights and self.weights["W_scu"].ndim == 1

        def take(what: str, whole: Tensor, inputs: bool = False) -> None:
            """The parts of a sum over all gates, (..., rows of activations)."""
            for gate in self.gates:
                if f"{what}{gate}" in wanted:
                    found[f"{what}{gate}"] = whole[..., self._place(gate, inputs)].swapaxes(-2, -1).contiguous()

        kinds = {letter[:3] for letter in wanted}
        if "W_x" in kinds:
            take("W_x", torch.stack([self._seen(j).T @ Z for j in range(self.window)]), True)
        if "W_v" in kinds:
            take("W_v", v.T @ Z[:, : len(self.gates) * self.d])
        if any(letter[0] == "b" for letter in wanted):
            take("b_", Z.sum(0, keepdim=True))
        for gate in self.gates[1:]:
            if f"W_s{gate}" in wanted:
                z, state = Z[:, self._place(gate)], s_next if gate == "cr" else s
                found[f"W_s{gate}"] = (z * state).sum(0) if diagonal else (state.T @ z).T.contiguous()
        return found
