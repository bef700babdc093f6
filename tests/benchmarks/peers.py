"""The peers, each imported when it is built. One call solves and returns the samples in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from tests.benchmarks.harness import Solve
from tests.benchmarks.networks import Network


def scipy(net: Network, method: str, diagonal: bool = False) -> Solve:
    """scipy's solve_ivp; ``diagonal``: told by hand that A is."""
    from math import sin

    from scipy.integrate import solve_ivp

    A, B, C, phi = net.A, net.B, net.C, net.phi
    a = np.diag(A).copy()

    def dense(t: float, s: np.ndarray) -> np.ndarray:
        return A @ s + B @ np.tanh(s) + C * sin(t) + phi

    def by_hand(t: float, s: np.ndarray) -> np.ndarray:
        return a * s + B @ np.tanh(s) + C * sin(t) + phi

    rate, span = by_hand if diagonal else dense, (net.times[0], net.times[-1])
    return lambda tol: (
        solve_ivp(rate, span, net.s0, method=method, t_eval=net.times, rtol=max(tol, 3e-14), atol=tol).y.T
    )


def diffrax(net: Network) -> Solve:
    """Tsit5, compiled by XLA, vmapped over an ensemble; it raises on failure, as ours does."""
    import diffrax as dfx
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    A, B, C, phi = (jnp.asarray(a) for a in (net.A, net.B, net.C, net.phi))
    times, s0 = jnp.asarray(net.times), jnp.asarray(net.s0)
    term = dfx.ODETerm(lambda t, s, args: A @ s + B @ jnp.tanh(s) + C * jnp.sin(t) + phi)

    def one(start: Any, tol: Any) -> Any:
        controller = dfx.PIDController(rtol=tol, atol=tol)
        span, save = (times[0], times[-1]), dfx.SaveAt(ts=times)
        return dfx.diffeqsolve(
            term, dfx.Tsit5(), *span, None, start, saveat=save, stepsize_controller=controller, max_steps=100_000
        ).ys

    many = one if net.s0.ndim == 1 else jax.vmap(one, in_axes=(0, None), out_axes=1)
    compiled = jax.jit(many)
    return lambda tol: np.asarray(compiled(s0, tol))


def torchdiffeq(net: Network) -> Solve:
    """dopri5; an ensemble has one step size for all."""
    import torch
    from torchdiffeq import odeint

    torch.set_num_threads(1)
    A_t, B_t = torch.tensor(net.A.T.copy()), torch.tensor(net.B.T.copy())
    C, phi, s0, times = (torch.tensor(a) for a in (net.C, net.phi, net.s0, net.times))

    def rate(t: Any, s: Any) -> Any:
        return s @ A_t + torch.tanh(s) @ B_t + (C * torch.sin(t) + phi)

    def solve(tol: float) -> np.ndarray:
        with torch.no_grad():
            return odeint(rate, s0, times, rtol=tol, atol=tol, method="dopri5").numpy()

    return solve


def torchode(net: Network) -> Solve:
    """Tsit5 of an ensemble, a step size for each trajectory."""
    import torch
    import torchode as to

    torch.set_num_threads(1)
    A_t, B_t = torch.tensor(net.A.T.copy()), torch.tensor(net.B.T.copy())
    C, phi, s0 = (torch.tensor(a) for a in (net.C, net.phi, net.s0))
    times = torch.tensor(net.times).expand(len(s0), -1)
    problem = to.InitialValueProblem(y0=s0, t_eval=times)

    def rate(t: Any, s: Any) -> Any:
        return s @ A_t + torch.tanh(s) @ B_t + (C * torch.sin(t)[:, None] + phi)

    term = to.ODETerm(rate)
    method = to.Tsit5(term=term)

    def solve(tol: float) -> np.ndarray:
        controller = to.IntegralController(atol=tol, rtol=tol, term=term)
        with torch.no_grad():
            return to.AutoDiffAdjoint(method, controller).solve(problem).ys.numpy().swapaxes(0, 1)

    return solve


def jitcdde(net: Network) -> Solve:
    """jitcdde with its default flags, compiled by the C compiler; each tanh is a helper, computed once a step.

    Written without helpers, the same sum takes d times as many tanh, and is several times slower at d = 10.
    """
    import symengine as se
    from jitcdde import jitcdde as Dde
    from jitcdde import t, y

    d = len(net.A)
    warped = [se.tanh(y(j, t - net.tau)) for j in range(d)]
    names = [se.Symbol(f"warped_{j}") for j in range(d)]
    rates = [
        se.Add(*[net.A[i, j] * y(j) for j in range(d)], *[net.B[i, j] * names[j] for j in range(d)])
        + net.C[i] * se.sin(t)
        + net.phi[i]
        for i in range(d)
    ]
    dde = Dde(rates, helpers=list(zip(names, warped, strict=True)), max_delay=net.tau, verbose=False)
    dde.compile_C(simplify=False, verbose=False)  # which takes minutes from d = 10 on

    def solve(tol: float) -> np.ndarray:
        dde.purge_past()
        dde.constant_past(net.s0, time=0.0)
        dde.set_integration_parameters(rtol=tol, atol=tol, min_step=1e-14)
        first = dde.step_on_discontinuities()
        return np.array([net.s0, first, *(dde.integrate(time) for time in net.times[2:])])

    return solve
