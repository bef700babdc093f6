"""Random gated cells, every dimension different."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch

from ode2rnn import (
    GRU,
    AugmentedLSTM,
    Carousel,
    ComputedGates,
    ContinuousLSTM,
    GatedCarousel,
    GatedReadout,
    SampledLSTM,
    SplitRNN,
    VanillaLSTM,
    WarpedUpdate,
)
from ode2rnn.core.activations import Activation
from ode2rnn.core.systems import states
from ode2rnn.gated import augmented, gru, vanilla
from ode2rnn.gated.transition import Gate

N, BATCH, M, D, D_V, L = 11, 2, 3, 5, 4, 6
PEEPHOLES = ("full", "diagonal", None)
# the switches of the Augmented LSTM: context, external gate, projection
EXTENSIONS = {
    "none": (1, False, False),
    "context": (L, False, False),
    "gate": (1, True, False),
    "projection": (1, False, True),
    "context and gate": (L, True, False),
    "all": (L, True, True),
}


def weights(
    letters: tuple[str, ...], peephole: str | None, context: int = 1, gate: bool = True, projection: bool = False
) -> dict[str, Any]:
    rng = np.random.default_rng(7)
    v = D_V if projection else D
    shapes: dict[str, tuple[int, ...]] = {
        "W_x": (D, M) if context == 1 else (context, D, M),
        "W_s": (D, D) if peephole == "full" else (D,),
        "W_v": (D, v),
        "W_q": (v, D),
    }
    found: dict[str, Any] = {}
    for name in letters:
        value = 0.6 * rng.standard_normal(shapes.get(name[:3], (D,)))
        off = (
            (name.startswith("W_s") and peephole is None)
            or (name.endswith("cx") and not gate)
            or (name == "W_qdr" and not projection)
        )
        found[name] = None if off else value
    return found


def vanilla_cell(peephole: str | None = "full", dt: float = 0.5) -> VanillaLSTM:
    return VanillaLSTM(**weights(vanilla.LETTERS, peephole), dt=dt)


def augmented_cell(extension: str = "all", peephole: str | None = "full") -> AugmentedLSTM:
    return AugmentedLSTM(**weights(augmented.LETTERS, peephole, *EXTENSIONS[extension]), dt=0.5)


def cells() -> dict[str, Any]:
    """Every kind of cell by name."""
    found: dict[str, Any] = {f"vanilla, {p} peepholes": vanilla_cell(p) for p in PEEPHOLES}
    found |= {f"augmented, {name}": augmented_cell(name) for name in EXTENSIONS}
    found |= {f"augmented, all, {p} peepholes": augmented_cell("all", p) for p in PEEPHOLES[1:]}
    return found


# smooth ones, by name and of the user's own, for which no slope follows from a value
ALGEBRAIC = Activation("algebraic", lambda s: s / (1 + s * s) ** 0.5, lambda s: (1 + s * s) ** -1.5, 1.0)
WARPINGS: dict[str, Any] = {"activation": "softplus", "recurrent_activation": ALGEBRAIC}


def windowed_cell(behind: int, ahead: int, gate: bool = False) -> AugmentedLSTM:
    """An Augmented LSTM whose window is x[n-behind] .. x[n+ahead]."""
    context = behind + 1 + ahead
    return AugmentedLSTM(**weights(augmented.LETTERS, "full", context, gate), dt=0.5, behind=behind)


def gru_cell(reset_after: bool = True) -> GRU:
    return GRU(**weights(gru.LETTERS if reset_after else gru.LETTERS[:-1], None), reset_after=reset_after, dt=0.5)


def chain_cells(peephole: str | None = "full") -> dict[str, Any]:
    """T1 to T6, with gates of their own."""
    rng = np.random.default_rng(3)
    letters = {"W_r": (D, D), "W_x": (D, M), "theta_s": (D,)}
    shared: dict[str, Any] = {name: 0.6 * rng.standard_normal(shape) for name, shape in letters.items()}
    g: dict[str, Any] = {name: rng.uniform(0.2, 0.8, D) for name in ("g_cs", "g_cu", "g_cr")}
    lstm = vanilla_cell(peephole)
    kinds = {f"g_{k}": Gate(*(getattr(lstm, a + k) for a in ("W_x", "W_s", "W_v", "b_"))) for k in ("cs", "cu", "cr")}
    return {
        "T1": SplitRNN(W_s=0.6 * rng.standard_normal((D, D)), **shared),
        "T2": Carousel(**shared),
        "T3": GatedCarousel(**shared, g_cs=g["g_cs"], g_cu=g["g_cu"]),
        "T4": WarpedUpdate(**shared, g_cs=g["g_cs"], g_cu=g["g_cu"]),
        "T4, identity": WarpedUpdate(**shared, g_cs=g["g_cs"], g_cu=g["g_cu"], warp="identity"),
        "T5": GatedReadout(**shared, **g),
        "T6": ComputedGates(**shared, **kinds),
    }


def sampled_cells(peephole: str | None = "full") -> dict[str, SampledLSTM]:
    """The LSTM at another step, by every pair of rules, and with late gates."""
    found = {}
    for rule in ("backward_euler", "exponential"):
        model = ContinuousLSTM(vanilla_cell(peephole), tau=0.6, rule=rule)
        found |= {
            f"{scheme} of {rule}": SampledLSTM(model, 0.2, scheme) for scheme in ("backward_euler", "exponential")
        }
        found[f"late of {rule}"] = SampledLSTM(replace(model, tau=0.0), 0.2, "implicit_linear")
    return found


def systems() -> dict[str, Any]:
    """Every gated System by name."""
    found = cells()
    found |= {f"augmented, window {w}": windowed_cell(*w) for w in ((0, 1), (1, 0), (2, 3))}
    found["augmented, window (2, 3) and gate"] = windowed_cell(2, 3, gate=True)
    found["vanilla, other warpings"] = replace(vanilla_cell(), **WARPINGS)
    found["augmented, all, other warpings"] = replace(augmented_cell(), **WARPINGS)
    for after in (True, False):
        found[f"GRU, reset_after={after}"] = gru_cell(after)
        found[f"GRU, reset_after={after}, other warpings"] = replace(gru_cell(after), **WARPINGS)
    return found | chain_cells() | {f"sampled, {name}": cell for name, cell in sampled_cells().items()}


def leaves(cell: Any) -> dict[str, Any]:
    """Every weight that is there, by letter."""
    return {f.name: value for f in fields(cell) if hasattr(value := getattr(cell, f.name), "shape")}


def in_torch(cell: Any, grad: bool = False, dtype: torch.dtype = torch.float64) -> Any:
    """The same cell, of tensors."""
    return replace(cell, **{name: torch.tensor(W, dtype=dtype, requires_grad=grad) for name, W in leaves(cell).items()})


def numbers(cell: Any, batch: tuple[int, ...] = (BATCH,), ticks: int = N, seed: int = 1) -> tuple[Any, Any, Any, Any]:
    """x, s0 = (s, v), and weights of v and of s in an objective."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((ticks, *batch, cell.input_width))
    s0 = cell.State(rng.standard_normal((*batch, cell.width)), rng.standard_normal((*batch, cell.readout_width)))
    of_v = rng.standard_normal((ticks, *batch, cell.readout_width))
    return x, s0, of_v, rng.standard_normal((ticks, *batch, cell.width))


def random_state(cell: Any, batch: tuple[int, ...], seed: int) -> Any:
    rng = np.random.default_rng(seed)
    return states.mapped(lambda a: rng.standard_normal((*batch, a.shape[-1])), cell.init(np.zeros(cell.width)))


def random_input(cell: Any, batch: tuple[int, ...], seed: int = 5) -> np.ndarray:
    """One row of what `prepare` makes of inputs."""
    return cell.prepare(np.random.default_rng(seed).standard_normal((N, *batch, cell.input_width)))[N // 2]


def in_tensors(cell: Any, grad: bool = False) -> Any:
    return cell.with_weights({name: torch.tensor(W, requires_grad=grad) for name, W in cell.weights().items()})


def tensors(state: Any, grad: bool = False) -> Any:
    return states.mapped(lambda a: torch.tensor(np.array(a), requires_grad=grad), state)


def close(got: Any, expected: Any, bound: float = 1e-12) -> None:
    one, other = states.arrays_of(got), states.arrays_of(expected)
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        a, b = (np.asarray(v.detach() if torch.is_tensor(v) else v) for v in (a, b))
        assert a.shape == b.shape
        assert np.abs(a - b).max() <= bound * max(1.0, np.abs(b).max())
