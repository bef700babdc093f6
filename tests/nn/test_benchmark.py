"""The benchmark of the layers runs, on the layers it names; what it measures is nobody's test."""

from __future__ import annotations

import torch
from tests.benchmarks import gated_layers
from tests.benchmarks.layers import main, variants


def test_the_benchmark_gives_a_ratio_for_every_layer_dtype_and_kind() -> None:
    rows = main(rounds=1, sizes=[(4, 2, 3, 5)])
    assert len({(row.layer, row.dtype, row.kind) for row in rows}) == len(rows) == 8
    assert all(row.ratio > 0 for row in rows)


def test_the_variants_share_the_weights_of_torch() -> None:
    layers = variants((4, 2, 3, 5), torch.float64)
    x = torch.randn(4, 2, 3, dtype=torch.float64)
    torch.testing.assert_close(layers["StandardRNN"](x)[0], layers["RNN"](x)[0], rtol=1e-12, atol=1e-12)
    assert torch.equal(layers["CanonicalRNN"].W_r, layers["RNN"].weight_hh_l0)
    assert torch.equal(layers["CanonicalRNN"].W_s, 0.5 * torch.eye(5, dtype=torch.float64))


def test_the_benchmark_of_gated_layers_gives_a_ratio_for_every_layer_and_dtype() -> None:
    rows = gated_layers.main(rounds=1, sizes=[(4, 2, 3, 5)], memory=False)
    assert len({(row.layer, row.reference, row.dtype) for row in rows}) == len(rows) == 10
    assert all(row.ratio > 0 for row in rows)


def test_the_loops_compute_what_the_augmented_layer_does() -> None:
    x = torch.randn(6, 2, 3)
    layer = gated_layers.layer("augmented", (6, 2, 3, 5), torch.float32)
    output = layer(x)[0]
    torch.testing.assert_close(gated_layers.loop("cell", layer, x), output)
    torch.testing.assert_close(gated_layers.loop("stacked", layer, x), output)
