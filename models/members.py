"""Networks that differ in their seed and answer as one: which of them is which.

Deep ensembles: B. Lakshminarayanan et al., "Simple and Scalable Predictive Uncertainty Estimation
using Deep Ensembles", NeurIPS 2017, who average probabilities. Here logits are, for what comes
after, calibration above all, starts from a logit; weights are not, since no two trainings number
their channels alike. `models.network.fold` makes the one network.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import keras
import numpy as np

from models.hyperparameters import Hyperparameters, with_tuned

_T = TypeVar("_T")

_MEMBER = re.compile(r"^member_\d+$")
_LAYER = re.compile(r"^(member_\d+)/(.+)$")  # of a member


@dataclass(frozen=True)
class Member:
    """One of the networks that are folded into one.

    Attributes:
        number: From 1.
        of: How many there are.
    """

    number: int = 1
    of: int = 1

    @property
    def name(self) -> str:
        """The name of its part in the folded network, and of the folders that are its own."""
        return f"member_{self.number}"

    @property
    def said_first(self) -> str:
        """What begins a line about it; empty where it is the only one."""
        return "" if self.of == 1 else f"member {self.number}/{self.of}  "

    def folder(self, folder: str) -> str:
        """Returns its part of a folder: all of it where it is the only one."""
        return folder if self.of == 1 else posixpath.join(folder, self.name)

    def seed(self, of_training: int) -> int:
        """Returns its seed; the first has that of the training, and so learns as if alone.

        The others are far from those of a training with the next seed, whose members would
        otherwise be the same.
        """
        if self.number == 1:
            return of_training
        drawn = np.random.SeedSequence((of_training, self.number)).generate_state(1)
        return int(drawn[0] >> 1)  # a seed is below 2^31

    def settings(self, settings: Hyperparameters) -> Hyperparameters:
        """Returns the settings of the training with its own seed."""
        return with_tuned(settings, {"train.seed": self.seed(settings.train.seed)})


ALONE = Member()


def each_member(members: int) -> list[Member]:
    """Returns the members of a training of so many."""
    return [Member(number, members) for number in range(1, members + 1)]


def members_of(network: keras.Model) -> list[keras.Model]:
    """Returns the networks that were folded into one; of any other, itself.

    Args:
        network: Of `models.network`.
    """
    return [layer for layer in network.layers if _MEMBER.match(layer.name)] or [network]


def weights_by_layer(network: keras.Model) -> dict[str, list[Any]]:
    """Returns the weights by the name of their layer, which of a member begins with its name.

    Args:
        network: Of `models.network`.
    """
    return {
        layer.name if part is network else f"{part.name}/{layer.name}": layer.weights
        for part in members_of(network)
        for layer in part.layers
        if layer.weights
    }


def weights_of_member(by_layer: Mapping[str, _T], member: Member, file: str) -> dict[str, _T]:
    """Picks what a network starts from: its counterpart, or the only network that is there.

    Args:
        by_layer: Weights as `weights_by_layer` names them.
        member: That starts.
        file: Where they are from, for the message.

    Returns:
        Weights by the name of the layer alone.

    Raises:
        ValueError: If several networks are there, and not as many as start.
    """
    named = {name: _LAYER.match(name) for name in by_layer}
    there = {match[1] for match in named.values() if match}
    if not there:
        return dict(by_layer)
    if len(there) != member.of:
        raise ValueError(
            f"network.weights: {file} folds {len(there)} networks; start from it with "
            f"train.members={len(there)}"
        )
    return {
        match[2]: by_layer[name]
        for name, match in named.items()
        if match and match[1] == member.name
    }
