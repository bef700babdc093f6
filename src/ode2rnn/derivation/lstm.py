"""The claims of "The Vanilla LSTM Network Mechanism in Detail" and of "Extensions to the Vanilla LSTM Network".

Uses: L1 to L11, X1 to X7, S3, S4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ode2rnn.core.arrays import to_numpy
from ode2rnn.core.run import run
from ode2rnn.derivation.claim import Claim, Experiment, Finding, within
from ode2rnn.discrete.canonical import CanonicalRNN
from ode2rnn.gated import augmented, gru, vanilla
from ode2rnn.gated.augmented import AugmentedLSTM
from ode2rnn.gated.count import parameter_count, weights
from ode2rnn.gated.gru import GRU
from ode2rnn.gated.vanilla import VanillaLSTM
from ode2rnn.training.gradients.bptt import bptt

if TYPE_CHECKING:
    import torch

D, D_V, L = 5, 3, 4  # states, readouts of the projection, samples of the context: one input, all different
LONGEST = 150  # samples for the comparisons with torch's recorded gradients
PEEPHOLES = ("W_scu", "W_scs", "W_scr")
GATES = ("cu", "cs", "du", "cr")  # torch's blocks i, f, g, o


def _random(letters: tuple[str, ...], d_v: int = D, context: int = 1) -> dict[str, Any]:
    rng = np.random.default_rng(8)
    shapes = {"W_x": (D, 1) if context == 1 else (context, D, 1), "W_s": (D, D), "W_v": (D, d_v), "W_q": (d_v, D)}
    return {name: 0.5 * rng.standard_normal(shapes.get(name[:3], (D,))) for name in letters}


def lstm() -> VanillaLSTM:
    """A Vanilla LSTM of five units with full peepholes and random weights."""
    return VanillaLSTM(**_random(vanilla.LETTERS))


def extended() -> AugmentedLSTM:
    """An Augmented LSTM with all three extensions and random weights."""
    return AugmentedLSTM(**_random(augmented.LETTERS, D_V, L))


def _plain() -> VanillaLSTM:
    return replace(lstm(), W_scu=None, W_scs=None, W_scr=None)


def _torch_lstm(cell: VanillaLSTM, **options: bool) -> torch.nn.LSTM:
    """torch.nn.LSTM with the weights of a cell without peepholes."""
    import torch

    peer = torch.nn.LSTM(1, D, **options).double()
    fused = {
        "weight_ih_l0": np.concatenate([getattr(cell, f"W_x{gate}") for gate in GATES]),
        "weight_hh_l0": np.concatenate([getattr(cell, f"W_v{gate}") for gate in GATES]),
        "bias_ih_l0": np.concatenate([getattr(cell, f"b_{gate}") for gate in GATES]),
        "bias_hh_l0": np.zeros(4 * D),
    }
    peer.load_state_dict({name: torch.tensor(value) for name, value in fused.items()})
    return peer


def _torch(experiment: Experiment) -> Finding:
    import torch

    with torch.no_grad():
        output = _torch_lstm(_plain())(torch.tensor(experiment.x))[0].numpy()
    return within(float(np.abs(run(_plain(), experiment.x).r - output).max()), 1e-13)


def _rows(experiment: Experiment) -> Finding:
    """X (batch, time, inputs), weights as X W + b: the slides' equations beside torch's batch_first, and the cell."""
    import torch

    cell, x = _plain(), experiment.x[:LONGEST]
    X = np.stack([x, -x])
    W, U, b = ({g: getattr(cell, f"{name}{g}").T for g in GATES} for name in ("W_x", "W_v", "b_"))
    H = C = np.zeros((2, D))
    hidden = []
    for t in range(len(x)):
        alpha = {g: X[:, t] @ W[g] + H @ U[g] + b[g] for g in GATES}
        I_t, F_t, O_t = (1 / (1 + np.exp(-alpha[g])) for g in ("cu", "cs", "cr"))
        C = F_t * C + I_t * np.tanh(alpha["du"])
        H = O_t * np.tanh(C)
        hidden.append(H)
    rows = np.stack(hidden, axis=1)
    with torch.no_grad():
        output = _torch_lstm(cell, batch_first=True)(torch.tensor(X))[0].numpy()
    own = np.moveaxis(run(cell, np.moveaxis(X, 0, 1)).r, 0, 1)
    return within(max(float(np.abs(rows - other).max()) for other in (own, output)), 1e-13)


def _by_autograd(cell: VanillaLSTM | AugmentedLSTM, x: np.ndarray, of_v: np.ndarray) -> dict[str, np.ndarray]:
    """Gradients of 1/2 sum of_v v^2 by every weight, by the input and by s[-1], from torch's record of the ticks."""
    import torch

    leaves: dict[str, Any] = {name: torch.tensor(W, requires_grad=True) for name, W in weights(cell).items()}
    inputs, s0 = torch.tensor(x, requires_grad=True), torch.full((D,), 0.5, dtype=torch.float64, requires_grad=True)
    (0.5 * torch.tensor(of_v) * run(replace(cell, **leaves), inputs, s0).r ** 2).sum().backward()
    return {name: to_numpy(leaf.grad) for name, leaf in (*leaves.items(), ("x", inputs), ("s0", s0))}


def _pull(of_v: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """partial E / partial v of E = 1/2 sum of_v v^2."""
    return lambda v: of_v * v


def _autograd(experiment: Experiment, *cells: VanillaLSTM | AugmentedLSTM) -> Finding:
    """The largest difference over all weights, the input and the initial state, each relative to its largest entry."""
    x, worst, count = experiment.x[:LONGEST], 0.0, 0
    for cell in cells:
        of_v = np.random.default_rng(9).standard_normal((len(x), cell.readout_width))
        back = bptt(cell, x, _pull(of_v), np.full(D, 0.5))
        own = {**weights(back.gradients), "x": back.x_bar, "s0": back.s0_bar}
        for name, expected in _by_autograd(cell, x, of_v).items():
            worst = max(worst, float(np.abs(own[name] - expected).max() / np.abs(expected).max()))
            count += 1
    return within(worst, 1e-12, f" ({count} arrays)")


def _vanilla_backward(experiment: Experiment) -> Finding:
    diagonal: dict[str, Any] = {name: np.diag(getattr(lstm(), name)) for name in PEEPHOLES}
    return _autograd(experiment, lstm(), replace(lstm(), **diagonal), _plain())


def _augmented_backward(experiment: Experiment) -> Finding:
    return _autograd(experiment, extended(), *_alone().values())


def _alone() -> dict[str, AugmentedLSTM]:
    """Each extension by itself on the Vanilla LSTM."""
    whole = _random(augmented.LETTERS, D_V, L)
    windows = {name: W for name, W in whole.items() if name.startswith("W_x") and name != "W_xcx"}
    gate = {"W_xcx": whole["W_xcx"][0], "W_scx": whole["W_scx"], "W_vcx": lstm().W_vcu, "b_cx": whole["b_cx"]}
    projection = {name: W for name, W in whole.items() if name[:3] in ("W_v", "W_q") and name != "W_vcx"}
    extensions = {"context": windows, "external gate": gate, "projection": projection}
    return {name: AugmentedLSTM.of(lstm(), **extension) for name, extension in extensions.items()}


def _differences(experiment: Experiment) -> Finding:
    """The derivative along a random direction of all weights of both cells, by a central difference of fourth order."""
    x, h, worst = experiment.x[:LONGEST], 1e-3, 0.0
    for cell in (lstm(), extended()):
        rng = np.random.default_rng(10)
        of_v = rng.standard_normal((len(x), cell.readout_width))
        way = {name: rng.standard_normal(W.shape) for name, W in weights(cell).items()}
        length = np.sqrt(sum(float((part**2).sum()) for part in way.values()))

        def E(
            t: float,
            cell: VanillaLSTM | AugmentedLSTM = cell,
            way: dict[str, np.ndarray] = way,
            of_v: np.ndarray = of_v,
            length: float = length,
        ) -> float:
            moved = replace(cell, **{name: W + t / length * way[name] for name, W in weights(cell).items()})
            return 0.5 * float((of_v * run(moved, x).r ** 2).sum())

        record = weights(bptt(cell, x, _pull(of_v)).gradients)
        own = sum(float((W * way[name]).sum()) for name, W in record.items()) / length
        size = np.sqrt(sum(float((W**2).sum()) for W in record.values()))
        difference = (8 * (E(h) - E(-h)) - (E(2 * h) - E(-2 * h))) / (12 * h)
        worst = max(worst, abs(own - difference) / size)
    return within(worst, 1e-8)


def _switched_off(experiment: Experiment) -> Finding:
    """Forward and backward, with the windows as matrices and as windows of one sample."""
    cell, off = lstm(), AugmentedLSTM.of(lstm())
    one = replace(off, **{name: W[None] for name, W in weights(off).items() if name.startswith("W_x")})
    v_bar = np.random.default_rng(9).standard_normal((experiment.samples, D))
    expected, worst = bptt(cell, experiment.x, v_bar), 0.0
    for other in (off, one):
        got = bptt(other, experiment.x, v_bar)
        pairs = [(got.trajectory.r, expected.trajectory.r), (got.trajectory.s, expected.trajectory.s)]
        record = weights(got.gradients)
        pairs += [(record[name].reshape(W.shape), W) for name, W in weights(expected.gradients).items()]
        worst = max(worst, *(float(np.abs(a - b).max()) for a, b in pairs))
    return Finding("0", f"{worst:g}", worst == 0)


def _each_alone(experiment: Experiment) -> Finding:
    """What each extension changes of the readout or the state, and the cell that it leaves when it does nothing."""
    base, x = run(lstm(), experiment.x), experiment.x
    changed = {name: float(np.abs(run(cell, x).s - base.s).max()) for name, cell in _alone().items()}
    taps = {name: W[None] for name, W in weights(lstm()).items() if name.startswith("W_x")}
    idle = {name: np.pad(W, ((0, L - 1), (0, 0), (0, 0))) for name, W in taps.items()}
    gate = {"W_xcx": np.zeros((D, 1)), "W_vcx": np.zeros((D, D)), "b_cx": np.full(D, 800.0)}
    gaps = [
        float(np.abs(run(AugmentedLSTM.of(lstm(), **extension), x).r - base.r).max())
        for extension in (idle, gate, {"W_qdr": np.eye(D)})
    ]
    holds = min(changed.values()) > 1e-2 and max(gaps) <= 1e-14
    measured = f"{max(gaps):.0e} idle; " + ", ".join(f"{name} {value:.2f}" for name, value in changed.items())
    return Finding("<= 1e-14 idle; > 0.01 on", measured, bool(holds))


def _counts(experiment: Experiment) -> Finding:
    """SimpleRNN, GRU in both forms, LSTM and LSTM with full peepholes, for 5 units and 1 input."""
    m, d = 1, D
    zero, after = _random(gru.LETTERS[:-1]), _random(gru.LETTERS)
    standard = CanonicalRNN(np.zeros((d, d)), np.ones((d, d)), np.ones((d, m)), np.zeros(d))
    cells = (standard, GRU(**zero, reset_after=False), GRU(**after), _plain(), lstm())
    expected = [d * (d + m + 1), 3 * d * (d + m + 1), 3 * d * (d + m + 2), 4 * d * (d + m + 1)]
    expected.append(expected[-1] + 3 * d * d)
    got = [parameter_count(cell, "keras") for cell in cells]
    holds = got == expected and 4 * got[1] == 3 * got[3]
    return Finding(", ".join(map(str, expected)), ", ".join(map(str, got)), holds)


LSTM: tuple[Claim, ...] = (
    Claim("L1-L6", "without peepholes the Vanilla LSTM is torch.nn.LSTM", _torch),
    Claim("S4", "rows, batch first, X W + b: the same LSTM", _rows),
    Claim("L7-L11", "back-propagation through the Vanilla LSTM is automatic differentiation", _vanilla_backward),
    Claim("L11", "the gradient of both LSTMs is a central difference of the objective", _differences),
    Claim("X1-X3", "with its extensions off the Augmented LSTM is the Vanilla LSTM, to the last digit", _switched_off),
    Claim("X1-X3", "each extension has its own switch", _each_alone),
    Claim("X4-X7", "back-propagation through the Augmented LSTM is automatic differentiation", _augmented_backward),
    Claim("S3", "parameters of SimpleRNN, GRU (both forms), LSTM, LSTM with peepholes", _counts),
)
