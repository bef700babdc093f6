"""Layers from torch's own and back."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import torch

from ode2rnn.core.arrays import brief
from ode2rnn.nn.layer.recurrent import RecurrentLayer
from ode2rnn.nn.layer.weights import fuse, take

SHARED = ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional")


class TorchLayer(RecurrentLayer):
    """A layer with its counterpart in torch, ``torch_type``."""

    torch_type: ClassVar[type[torch.nn.RNNBase]]
    torch_options: ClassVar[tuple[str, ...]] = ()  # the arguments of torch_type beside those that all share

    def _refuse(self, whose: str) -> None:
        """Raise a ValueError for an argument that ``whose`` layer, torch's or Keras's, has not."""

    @classmethod
    def _blank(cls, options: Mapping[str, Any], **given: Any) -> Self:
        """A layer with weights 0, to be filled from another's: the ``given`` arguments and the caller's ``options``."""
        layer = cls(**given, **options)
        with torch.no_grad():
            for weight in layer.parameters():
                weight.zero_()
        return layer

    @classmethod
    def from_torch(cls, module: torch.nn.RNNBase, **options: Any) -> Self:
        """The layer that computes what torch's layer of this kind does, with a copy of its weights, and its mode.

        Args:
            module: a torch.nn.RNN, LSTM or GRU.
            options: arguments that torch's layer has not; the weights they bring are 0.

        Raises:
            ValueError: another kind of module, options with which the layer would compute something else.
        """
        if not isinstance(module, cls.torch_type):
            raise ValueError(f"module: expected a torch.nn.{cls.torch_type.__name__}, got {brief(module)}")
        weight = module.weight_ih_l0
        arguments = {name: getattr(module, name) for name in (*SHARED, *cls.torch_options)}
        layer = cls._blank(options, **arguments, device=weight.device, dtype=weight.dtype)
        for suffix, _ in layer.places():
            names = [name for name in layer.fused if hasattr(module, name + suffix)]
            take(layer, suffix, {name: getattr(module, name + suffix) for name in names})
        return layer.train(module.training)

    def to_torch(self) -> Any:
        """A layer of torch that computes the same, with a copy of the weights; the biases become its bias_ih.

        Raises:
            ValueError: what torch's layer has not, by name.
        """
        self._check_none_lost(f"torch.nn.{self.torch_type.__name__}")
        like = self._like
        arguments = {name: getattr(self, name) for name in (*SHARED, *self.torch_options)}
        module = self.torch_type(**arguments, device=like.device, dtype=like.dtype)
        weights = {key + suffix: value for suffix, _ in self.places() for key, value in fuse(self, suffix).items()}
        module.load_state_dict(weights)
        return module.train(self.training)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Take weights under torch's names too, as `from_torch` does: those that torch's layer has not become 0."""
        names = {name + suffix for suffix, _ in self.places() for name in self.fused}
        given = {name: state_dict[prefix + name] for name in names if prefix + name in state_dict}
        if given:
            try:
                state_dict.update({prefix + name: value for name, value in self._from_fused(given).items()})
            except ValueError as error:
                rest[-1].append(f"{prefix}{error}")
                return
            for name in given:
                del state_dict[prefix + name]
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def _from_fused(self, given: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The weights by letter from a whole set of those under torch's names."""
        self._refuse(f"torch.nn.{self.torch_type.__name__}")
        twin = copy.deepcopy(self)
        with torch.no_grad():
            for weight in twin.parameters():
                weight.zero_()
        for suffix, _ in self.places():
            wanted = {name + suffix: tuple(value.shape) for name, value in fuse(self, suffix).items()}
            for name, shape in wanted.items():
                got = tuple(given[name].shape) if name in given else "none"
                if got != shape:
                    raise ValueError(f"{name}: expected shape {shape} beside the others of torch's names, got {got}")
            take(twin, suffix, {name: given[name + suffix] for name in self.fused if name + suffix in wanted})
        return {name: weight.detach() for name, weight in twin.named_parameters()}

    def _check_none_lost(self, whose: str) -> None:
        """Raise a ValueError for what ``whose`` layer has not: an argument, or a weight that is not 0."""
        self._refuse(whose)
        known = {letter for letters in self.fused.values() for letter in letters}
        for suffix, _ in self.places():
            for letter in self.letters:
                weight = getattr(self, letter + suffix)
                if letter not in known and weight is not None and bool((weight != 0).any()):
                    raise ValueError(f"{letter}{suffix}: expected 0, since {whose} has no such weight, got another")
