"""Convolution over the unit index: the matrices of cellular networks and reaction-diffusion lattices.

Home of: C8.  Source: "The Roots of RNN".
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from ode2rnn.core.arrays import Array, as_like, brief, check_array, check_shape, is_torch, to_numpy


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

    def __init__(self, kernel: ArrayLike) -> None:
        self.kernel = check_array("kernel", kernel)
        if self.kernel.ndim == 0 or min(self.kernel.shape) < 1:
            raise ValueError(f"kernel: expected shape (d,) or (n_1, n_2, ...), got {tuple(self.kernel.shape)}")

    @classmethod
    def from_stencil(cls, stencil: ArrayLike, shape: tuple[int, ...]) -> Circulant:
        """The convolution with a small stencil, centred on each unit of a periodic lattice.

        Args:
            stencil: odd lengths along each axis, its middle entry is the unit itself: (A s)[i] =
                sum_k stencil[middle + k] s[i + k].
            shape: the lattice, at least as long as the stencil along each axis.
        """
        weights = check_array("stencil", stencil)
        lattice = _check_lattice(shape)
        lengths = tuple(weights.shape)
        fits = len(lengths) == len(lattice) and all(
            w % 2 == 1 and w <= n for w, n in zip(lengths, lattice, strict=True)
        )
        if not fits:
            raise ValueError(f"stencil: expected odd lengths that fit the lattice {lattice}, got shape {lengths}")
        # entry middle + k of the stencil is entry -k of the kernel
        middle = np.array(lengths) // 2
        places = (middle - np.array(list(np.ndindex(lengths)))) % np.array(lattice)
        onto = np.zeros((int(np.prod(lattice)), len(places)))
        onto[np.ravel_multi_index(tuple(places.T), lattice), np.arange(len(places))] = 1.0
        return cls((as_like(onto, weights) @ weights.reshape((-1,))).reshape(lattice))

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

            like = grid if is_torch(grid) else self.kernel
            product = torch.fft.rfftn(as_like(self.kernel, like), dim=axes) * torch.fft.rfftn(
                as_like(grid, like), dim=axes
            )
            return torch.fft.irfftn(product, s=lattice, dim=axes).reshape(s.shape)
        product = np.fft.rfftn(self.kernel, axes=axes) * np.fft.rfftn(grid, axes=axes)
        return np.fft.irfftn(product, s=lattice, axes=axes).reshape(s.shape)

    def transposed(self) -> Circulant:
        """The transposed matrix, whose kernel runs the other way round."""
        lattice = np.array(self.kernel.shape)
        back = np.moveaxis(-np.array(list(np.ndindex(*lattice))) % lattice, -1, 0)
        return Circulant(self.kernel[tuple(back)].reshape(tuple(lattice.tolist())))

    def dense(self) -> Array:
        """The matrix (d, d); a torch kernel gives a torch matrix that carries its gradient."""
        lattice = tuple(self.kernel.shape)
        sites = np.array(list(np.ndindex(lattice)))
        offset = (sites[:, None, :] - sites[None, :, :]) % np.array(lattice)
        return self.kernel[tuple(np.moveaxis(offset, -1, 0))]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        return to_numpy(self.dense()).astype(dtype or np.float64)


def _check_lattice(shape: Iterable[int]) -> tuple[int, ...]:
    whole = isinstance(shape, tuple | list) and all(isinstance(n, int | np.integer) and n >= 1 for n in shape)
    if not whole or not shape:
        raise ValueError(f"shape: expected the lengths (n_1, n_2, ...) of a lattice, got {brief(shape)}")
    return tuple(int(n) for n in shape)
