"""The arrays of the computed figures show what their claims say."""

from __future__ import annotations

import numpy as np
import pytest
from tests.paper_figures.scripts import PATHS, quick_data, script

from ode2rnn.analysis import pole_image
from ode2rnn.derivation.claim import Finding
from ode2rnn.derivation.figure_scripts import flat_arrays

TRAINED = (10, 11, 14)  # what these show is trained first


@pytest.mark.parametrize("number", [pytest.param(n, marks=pytest.mark.slow if n in TRAINED else ()) for n in PATHS])
def test_a_figure_is_drawn_from_finite_arrays_and_its_claim_holds(number):
    data, module = quick_data(number), script(number).module
    arrays = flat_arrays(data)
    assert arrays
    # what rounding has covered, or is zero, has no logarithm
    covered = ("log_singular", "log_norms", "log_carousel", "singular", "bound")
    for name, array in arrays.items():
        if array.dtype.kind in "fc" and not name.endswith(covered):
            assert np.isfinite(array).all(), name
    found = module.verdict(data)
    assert isinstance(found, Finding)
    assert found.holds, found
    figure = module.draw(data)
    assert all(ax.lines or ax.patches for ax in figure.axes)


@pytest.mark.parametrize("number", PATHS)
def test_a_script_says_where_in_the_paper_it_belongs(number):
    module = script(number).module
    assert module.SECTION
    assert module.EQUATIONS
    assert module.CLAIM.endswith(".")


def test_the_finer_the_step_the_closer_the_samples():
    data = quick_data(1)
    gaps = [np.abs(np.interp(t, data["t"], data["s"]) - s).max() for t, s in data["samples"].values()]
    assert gaps[0] > gaps[1] > gaps[2]


def test_every_scheme_has_its_order():
    data = quick_data(2)
    np.testing.assert_allclose(list(data["orders"].values()), [1, 1, 2], atol=0.1)
    declared = {"backward_euler": 1, "implicit_linear": 1, "forward_euler": 1, "tustin": 2, "exponential": 1, "foh": 2}
    assert data["schemes"]["orders"].keys() == declared.keys()
    for name, order in declared.items():
        assert abs(data["schemes"]["orders"][name] - order) < 0.2


def test_poles_stay_in_the_unit_circle_and_weights_reach_their_limits():
    assert np.abs(quick_data(3)["paths"]).max() < 1
    for gaps in quick_data(4)["distances"].values():
        np.testing.assert_allclose(gaps[-1] / gaps[-7], (1e-1 ** (6 / 4)), rtol=0.02)


def test_the_truncation_error_is_within_its_bound_and_the_latch_keeps_its_own():
    data = quick_data(6)
    assert (data["error"] <= data["bound"] * (1 + 1e-9) + 1e-12).all()
    assert data["latch"][-1] > 0.5 * data["latch"][0]


def test_the_slides_power_is_at_its_value_not_where_they_print_it():
    scalar = np.exp(quick_data(8)["scalar"][100])
    assert f"{scalar:.3e}" == "2.656e-05"
    texts = " ".join(
        text.get_text()
        for ax in script(8).module.draw(quick_data(8)).axes
        for part in (ax, *ax.child_axes)
        for text in part.texts
    )
    assert "2.656e-05" in texts
    assert "0.000017" in texts


def test_regions_of_stability_are_the_known_ones():
    data = quick_data(31)
    plane = data["axis"] + 1j * data["axis"][:, None]
    known = {
        "forward_euler": np.abs(1 + plane),
        "backward_euler": np.abs(1 / (1 - plane)),
        "tustin": np.abs((2 + plane) / (2 - plane)),
        "exponential": np.exp(plane.real),
    }
    for scheme, modulus in known.items():
        np.testing.assert_allclose(data["modulus"][scheme], modulus, rtol=1e-9)
    edge = data["boundary"]["backward_euler"]
    np.testing.assert_allclose(np.abs(edge - 0.5), 0.5, rtol=1e-12)  # D6: the axis becomes a circle inside the circle
    for image in data["images"]["backward_euler"].values():
        assert (np.abs(image - 0.5) <= 0.5 + 1e-12).all()


@pytest.mark.parametrize("scheme", ["forward_euler", "backward_euler", "tustin", "exponential"])
def test_poles_side_by_side_go_where_each_goes_alone(scheme):
    points = np.array([[-0.5 + 1j, 0.3 - 2j, -4.0], [0.1j, -3 + 3j, 2.5]])
    np.testing.assert_allclose(
        script(31).module.pole_images(points, scheme, together=4), pole_image(points, 1.0, scheme), rtol=1e-12
    )


@pytest.mark.parametrize(("w", "tau"), [(-1.5, 2.05765120396218), (-2.0, 1.20919957615615), (-3.0, 0.67551085885604)])
def test_the_neuron_begins_to_oscillate_where_it_is_known_to(w, tau):
    assert abs(float(script(32).module.hopf_delay(w)) - tau) < 1e-13
    assert abs(script(32).module.largest_delay(w, 1) - 2 / (abs(w) - 1)) < 1e-9
    assert abs(script(32).module.largest_delay(w, 400) - tau) < 0.02 * tau


def test_the_sampled_neuron_flips_where_the_equation_turns():
    data = quick_data(32)
    np.testing.assert_allclose(data["sampled"]["m = 1"], 2 / (-data["w"] - 1), rtol=1e-9)
    np.testing.assert_allclose(data["hopf"], script(32).module.hopf_delay(data["w"]))
    np.testing.assert_allclose(data["crossing"], [np.sqrt(3) * 1j], atol=1e-9)
    z = data["z"]["m = 1"][:, 0]
    np.testing.assert_allclose(z, (1 - 2 * data["steps"]) / (1 + data["steps"]), atol=1e-12)  # real: no rotation
    ten = data["z"]["m = 10"]
    out = np.abs(ten[:, 0]) > 1
    assert out.any()
    assert (np.abs(ten[out, 0].imag) > 0.1).all()
    late = data["ticks"][-6:]
    assert (late[1:] * late[:-1] < 0).all()
    assert np.abs(late).min() > 0.2
    assert np.abs(data["s"][-60:]).max() > 0.2


def test_only_the_window_looks_ahead_and_each_extension_changes_the_response():
    data = quick_data(33)
    lag, plain = data["lag"], "none: Vanilla LSTM"
    for name, seen in data["sensitivity"].items():
        ahead = 2 if "L = 3" in name else 0
        assert (seen[lag < -ahead] == 0).all()
        assert (seen[lag >= -ahead] > 0).all()
        before = -lag < -ahead
        assert (data["state"][name][before] == 0).all()
        assert data["state"][name][~before][0] > 0
        if name != plain:
            assert not np.allclose(data["readout"][name], data["readout"][plain])


def test_errors_stay_on_the_carousel_and_vanish_elsewhere():
    data = quick_data(34)
    left = {name: flow[50] for name, flow in data["flow"].items()}
    assert left["standard RNN"] < -2
    assert left["LSTM, b_cs = 1"] < -4
    assert abs(left["LSTM"]) < 0.5
    assert abs(left["GRU"]) < 0.5
    # the product of gates sigmoid(5), about which the weights move them little
    np.testing.assert_allclose(data["carousel"]["LSTM"][50], -50 * np.log10(1 + np.exp(-5)), rtol=0.1)
