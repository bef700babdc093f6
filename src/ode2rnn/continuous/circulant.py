"""Convolution over the unit index: the matrices of cellular networks and reaction-diffusion lattices.

Home of: C8.  Source: "The Roots of RNN".
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ode2rnn.core.arrays import Array, check_array, check_shape, is_torch, to_numpy


class Circulant:
    """A circulant matrix, or a block-circulant one over a lattice, held by its kernel (C8).

    (A s)[i] = sum_j kernel[i - j] s[j], indices modulo the lattice: a product is a periodic convolution and
    is computed by the fast Fourier transform. ``np.asarray(circulant)`` is the dense matrix, its plain twin.

    Args:
        kernel: the first column, (d,), or over a lattice (n_1, n_2, ...) with d = n_1 n_2 ... units in C order.

    Raises:
        ValueError: NaN, or an empty kernel.

    Example:
        >>> ring = Circulant.from_stencil([1.0, -2.0, 1.0], shape=(5,))  # diffusion on a ring
        >>> np.asarray(ring)[0]
        array([-2.,  1.,  0.,  0.,  1.])
        >>> bool(np.allclose(ring.apply(np.arange(5.0)), np.asarray(ring) @ np.arange(5.0)))
        True
    """

    def __init__(self, kernel: Any) -> None:
        self.kernel = check_array("kernel", kernel)
        if self.kernel.ndim == 0 or min(self.kernel.shape) < 1:
            raise ValueError(
                f"kernel: expected shape (d,) or (n_1, n_2, ...), got {tuple(self.kernel.shape)}"
            )

    @classmethod
    def from_stencil(cls, stencil: Any, shape: tuple[int, ...]) -> Circulant:
        """The convolution with a small stencil, centred on each unit of a periodic lattice.

        Args:
            stencil: odd lengths along each axis, its middle entry is the unit itself: (A s)[i] =
                sum_k stencil[middle + k] s[i + k].
            shape: the lattice, at least as long as the stencil along each axis.
        """
        weights = to_numpy(check_array("stencil", stencil))
        if weights.ndim != len(shape) or any(
            w % 2 == 0 or w > n for w, n in zip(weights.shape, shape, strict=True)
        ):
            raise ValueError(
                f"stencil: expected odd lengths that fit the lattice {tuple(shape)}, got shape {weights.shape}"
            )
        kernel = np.zeros(shape)
        for index in np.ndindex(weights.shape):
            offset = tuple(w // 2 - i for i, w in zip(index, weights.shape, strict=True))
            kernel[tuple(o % n for o, n in zip(offset, shape, strict=True))] += weights[index]
        return cls(kernel)

    @property
    def shape(self) -> tuple[int, int]:
        """(d, d)."""
        d = int(np.prod(self.kernel.shape))
        return d, d

    def apply(self, s: Array) -> Array:
        """A s for states (..., d), by the Fourier transform over the lattice."""
        lattice = tuple(self.kernel.shape)
        axes = tuple(range(-len(lattice), 0))
        check_shape("s", s, (*s.shape[:-1], self.shape[0]))
        grid = s.reshape((*s.shape[:-1], *lattice))
        if is_torch(grid) or is_torch(self.kernel):
            import torch

            kernel = torch.as_tensor(self.kernel, dtype=grid.dtype)
            product = torch.fft.rfftn(kernel, dim=axes) * torch.fft.rfftn(grid, dim=axes)
            return torch.fft.irfftn(product, s=lattice, dim=axes).reshape(s.shape)
        product = np.fft.rfftn(self.kernel, axes=axes) * np.fft.rfftn(grid, axes=axes)
        return np.fft.irfftn(product, s=lattice, axes=axes).reshape(s.shape)

    def dense(self) -> Array:
        """The matrix (d, d); a torch kernel gives a torch matrix that carries its gradient."""
        lattice = tuple(self.kernel.shape)
        sites = np.array(list(np.ndindex(lattice)))
        offset = (sites[:, None, :] - sites[None, :, :]) % np.array(lattice)
        return self.kernel[tuple(np.moveaxis(offset, -1, 0))]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return to_numpy(self.dense()).astype(dtype or np.float64)
