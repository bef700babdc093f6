"""Layers from the weights of Keras's layers and back; plain arrays, Keras itself is not needed.

Keras writes vectors as rows: its kernels are the transposed matrices of torch, with the blocks of the GRU in the order
z, r, h in place of r, z, n. Its bias is one vector, but two rows in a GRU with reset_after.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch

from ode2rnn.core.arrays import brief, check_array, check_count, check_shape
from ode2rnn.nn.layer.arguments import merged
from ode2rnn.nn.layer.weights import fuse, take
from ode2rnn.nn.portable.torch import TorchLayer


class KerasLayer(TorchLayer):
    """A layer with its counterpart in Keras."""

    keras_order: ClassVar[tuple[int, ...]]  # Keras's k-th block is torch's keras_order[k]-th

    @property
    def _bias_rows(self) -> int:
        """How many rows the bias of Keras's layer has."""
        return 1

    @classmethod
    def from_keras(cls, weights: Sequence[Any], **options: Any) -> Self:
        """The layer that computes what a layer of Keras does, from its get_weights().

        Args:
            weights: kernel (m, k u), recurrent_kernel (u, k u) and, unless use_bias is False, bias (k u,), k being 1
                for SimpleRNN, 4 for LSTM (blocks i, f, c, o), 3 for GRU (z, r, h; the bias (2, 3 u) if reset_after).
                For Bidirectional those of the forward layer and then the backward one; layer after layer for a stack.
            options: arguments of the layer, such as num_layers=2 or bidirectional=True. batch_first is True unless
                given, and the dtype that of the arrays.

        Raises:
            ValueError: a wrong number of arrays, shapes that do not fit, NaN; as the layer itself.
        """
        blocks = len(cls.keras_order)
        arrays, each = _checked(weights, options, blocks)
        bias = arrays[2] if each == 3 else None
        m, units = arrays[0].shape[0], arrays[1].shape[0]
        narrow = all(getattr(value, "dtype", None) == np.float32 for value in weights)
        usual = {"batch_first": True, "dtype": torch.float32 if narrow else torch.float64}
        if bias is not None and "reset_after" in [p.name for p in merged(cls)]:
            usual["reset_after"] = bias.ndim == 2
        layer = cls._blank(usual | dict(options), input_size=m, hidden_size=units, bias=bias is not None)
        rows = (2, blocks * units) if layer._bias_rows == 2 else (blocks * units,)
        for k, (suffix, width) in enumerate(layer.places()):
            shapes = (width, blocks * units), (units, blocks * units), rows
            own = [check_shape(f"weights[{each * k + j}]", arrays[each * k + j], shapes[j]) for j in range(each)]
            kernel, recurrent, *biases = (torch.from_numpy(_reorder(array, layer.keras_order)) for array in own)
            fused = {"weight_ih": kernel.T, "weight_hh": recurrent.T}
            if biases:
                first, second = biases[0] if biases[0].ndim == 2 else (biases[0], 0 * biases[0])
                fused |= {"bias_ih": first, "bias_hh": second}
            take(layer, suffix, fused)
        return layer

    def to_keras(self) -> list[np.ndarray]:
        """What set_weights() of the layer of Keras that computes the same takes; as from_keras for a stack.

        Raises:
            ValueError: what the layer of Keras has not, by name.
        """
        self._check_none_lost("Keras")
        arrays = []
        for suffix, _ in self.places():
            fused = {name: value.detach().cpu().numpy() for name, value in fuse(self, suffix).items()}
            arrays += [fused["weight_ih"].T, fused["weight_hh"].T]
            if self.bias:
                both = np.stack([fused["bias_ih"], fused["bias_hh"]])
                arrays.append(both if self._bias_rows == 2 else both[0])
        return [_reorder(array, self.keras_order) for array in arrays]


def _checked(weights: object, options: Mapping[str, Any], blocks: int) -> tuple[list[np.ndarray], int]:
    """The arrays of get_weights(), and how many of them each recursion has, 2 or 3."""
    if not isinstance(weights, Sequence) or isinstance(weights, str):
        raise ValueError(f"weights: expected a list of arrays, as get_weights() gives, got {brief(weights)}")
    recursions = check_count("num_layers", options.get("num_layers", 1)) * (2 if options.get("bidirectional") else 1)
    if len(weights) not in (2 * recursions, 3 * recursions):
        raise ValueError(
            f"weights: expected kernel, recurrent_kernel and (or not) bias of each recursion, {2 * recursions} or"
            f" {3 * recursions} arrays for {recursions}, got {len(weights)}"
        )
    arrays = [check_array(f"weights[{k}]", value) for k, value in enumerate(weights)]
    for k, what in enumerate(("(m, k u), the kernel", "(u, k u), the recurrent kernel")):
        if arrays[k].ndim != 2 or 0 in arrays[k].shape:
            raise ValueError(f"weights[{k}]: expected shape {what} with k = {blocks}, got {arrays[k].shape}")
    return arrays, len(arrays) // recursions


def _reorder(array: np.ndarray, order: tuple[int, ...]) -> np.ndarray:
    """The blocks of the last axis in this order, a swap or none, so that it is its own way back."""
    blocks = np.split(array, len(order), axis=-1)
    return np.ascontiguousarray(np.concatenate([blocks[k] for k in order], axis=-1))
