"""K4: the sampled LSTM converges at order 1, to K1 with its delay and, tied, to K1 without."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.gated.networks import S0, D, inputs, lstm

from ode2rnn import ContinuousLSTM
from ode2rnn.analysis import convergence

HALVINGS = 0.5 ** np.arange(4, 11)
END = 3.0


def study(seed, kind, delay, **rest):
    tau = {"fixed": 1.0, "tied": 0.0}[delay]
    model = ContinuousLSTM(lstm(seed, scale=0.5), tau=tau, rule=rest.pop("rule", "backward_euler"))
    return convergence(model, inputs(kind, END), t=(0.0, END), history=S0, dts=HALVINGS, delay=delay, **rest)


@pytest.mark.parametrize("kind", ["held", "linear", "sine"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_with_the_delay_fixed_it_converges_at_order_one(seed, kind):
    found = study(seed, kind, "fixed")
    for name in ("final", "maximum", "readout"):
        assert found.used[name].sum() >= 5, name  # four halvings
        assert found.order[name] == pytest.approx(1.0, abs=0.2), name
        assert (found.errors[name][found.used[name]] > 10 * found.floor[found.used[name]]).all()


@pytest.mark.parametrize("kind", ["held", "linear", "sine"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_with_the_delay_tied_to_the_step_it_converges_at_order_one_to_no_delay(seed, kind):
    found = study(seed, kind, "tied")
    # where a held input jumps v follows at once in the limit, but takes some samples here: no uniform order for v
    for name in ("final", "maximum") if kind == "held" else ("final", "maximum", "readout"):
        assert found.used[name].sum() >= 5, name
        assert found.order[name] == pytest.approx(1.0, abs=0.1), name


@pytest.mark.parametrize("rule", ["backward_euler", "exponential"])
@pytest.mark.parametrize("scheme", ["backward_euler", "exponential"])
def test_every_rule_samples_the_equation_of_every_other(rule, scheme):
    found = study(0, "sine", "fixed", rule=rule, scheme=scheme)
    assert found.order["final"] == pytest.approx(1.0, abs=0.2)


def test_constant_rates_are_sampled_exactly_by_the_exponential_rule():
    cell = replace(lstm(scale=0.0), b_cs=np.full(D, 0.3), b_du=np.ones(D))
    model = ContinuousLSTM(cell)
    found = convergence(model, t=(0.0, 2.0), history=S0, dts=[0.5, 0.25, 0.125], scheme="exponential")
    assert found.errors["maximum"].max() < 1e-11
    backward = convergence(model, t=(0.0, 2.0), history=S0, dts=[0.5, 0.25, 0.125])
    assert backward.errors["maximum"].min() > 1e-3


def test_an_off_by_one_in_the_delay_has_no_order_one(monkeypatch):
    """The fault that looks plausible in a picture: the feedback one sample early."""
    from ode2rnn.gated.sampled import SampledLSTM

    right = SampledLSTM.step

    def early(self, state, x):
        late = state._replace(s=(*state.s[:-1], state.s[-2]), v=(*state.v[:-1], state.v[-2]))
        return right(self, late, x)

    exact = study(0, "sine", "fixed")
    monkeypatch.setattr(SampledLSTM, "step", early)
    assert not np.allclose(study(0, "sine", "fixed").errors["maximum"], exact.errors["maximum"], rtol=1e-2)


def test_the_table_marks_what_the_orders_were_fitted_on():
    text = str(study(0, "linear", "fixed"))
    assert "readout" in text
    assert text.count("*") >= 15
    assert "spectral at rtol 1e-12" in text


def test_bad_arguments_are_named():
    model = ContinuousLSTM(lstm())
    given = {"t": (0.0, 2.0), "history": S0, "dts": [0.5, 0.25]}
    with pytest.raises(ValueError, match="method, s0, reference: expected none of them"):
        convergence(model, **given, method="rk4")
    with pytest.raises(ValueError, match="delay: expected 'tied' for tau = 0, 'fixed' for tau > 0, got 'tied', 1"):
        convergence(model, **given, delay="tied")
    with pytest.raises(ValueError, match="scheme: expected another"):
        convergence(model, **given, scheme="implicit_linear")
    with pytest.raises(ValueError, match="dts: expected steps that divide t1 - t0"):
        convergence(model, **{**given, "dts": [0.5, 0.3]})
    with pytest.raises(ValueError, match="dt: expected a step that divides the delay"):
        convergence(model, **{**given, "t": (0.0, 2.1), "dts": [0.7, 0.35]})
