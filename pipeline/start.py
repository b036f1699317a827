"""Starting a run from a pushed model, on films of another site.

The run takes the model's preparation of films as it is, its network and its weights, and learns
gently: films of another site are few, and what the model knows is to stay. Everything else, the
gates above all, is as in any run.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from models.hyperparameters import Hyperparameters, Preprocessing
from models.served_facts import ServedFacts, read_facts
from pipeline.config import ConfigError
from pipeline.versions import find_version

# For 25 to 200 films of another site; `python -m benchmarks.sites` draws what they give.
_GENTLE: Mapping[str, Mapping[str, Any]] = {
    "data": {"eval_fraction": 0.3, "test_fraction": 0.3},
    # Where lesions are is learnt anew, from masks that another site may not have.
    "network": {"dropout": 0.3, "frozen_epochs": 0, "learns": "all", "segmentation": False},
    "train": {
        "epochs": 40,
        "batch_size": 16,
        "learning_rate": 3e-4,
        "early_stopping_patience": 20,
        "weight_decay": 0.05,
        "label_smoothing": 0.1,
        # Both ask for more films of each class in each group than a new site has.
        "objective": "mean",
        "retrain_last_layer": False,
    },
    "tuner": {"enabled": False, "hyperparameters": ""},
}


def settings_to_start_from(model: str) -> dict[str, Any]:
    """Returns the settings of a run that starts from a pushed model.

    Args:
        model: Folder of a version, of versions, or a work directory.

    Returns:
        Settings by part, to be laid over a preset.

    Raises:
        ConfigError: If there is no such model, or it cannot be started from.
    """
    version = find_version(model)
    if "://" not in version:
        version = os.path.realpath(version)
    settings = _facts(version).settings.model_dump()
    parts = {part: {**settings.get(part, {}), **gentle} for part, gentle in _GENTLE.items()}
    parts["network"]["weights"] = version
    return {**settings, **parts}


def refuse_other_members(version: str, run: Hyperparameters) -> None:
    """Refuses a run of another number of networks than its start folds.

    From a model of one network several may start, unless they would stay the same.

    Args:
        version: Folder of the pushed model whose weights the run starts from.
        run: Settings of the run.

    Raises:
        ConfigError: Naming the number.
    """
    theirs, own = _facts(version).settings.train.members, run.train.members
    if theirs not in (1, own):
        raise ConfigError(
            f"{version} folds {theirs} networks; start from it with train.members={theirs}"
        )
    if theirs < own and run.network.learns == "nothing":
        raise ConfigError(
            f"{version} holds one network, which network.learns=nothing leaves as it is; start "
            "from it with train.members=1"
        )


def refuse_other_preparation(version: str, preparation: Preprocessing) -> None:
    """Refuses a run that would show the network other pictures than it has learned from.

    Args:
        version: Folder of the pushed model whose weights the run starts from.
        preparation: Of the run.

    Raises:
        ConfigError: Naming the settings that differ.
    """
    learned = _facts(version).settings.preprocessing
    if learned.normalisation == "zscore":
        raise ConfigError(
            f"{version} standardises films by its own train split (normalisation=zscore), which "
            "films of another site would change; start from a model of per_image or unit"
        )
    own, theirs = preparation.model_dump(), learned.model_dump()
    differing = [name for name in own if own[name] != theirs[name]]
    if differing:
        named = ", ".join(f"preprocessing.{name}={theirs[name]}" for name in differing)
        raise ConfigError(
            f"{version} has learned from films prepared otherwise than the settings say; start "
            f"from it with {named}"
        )


def _facts(version: str) -> ServedFacts:
    try:
        return read_facts(version)
    except ValueError as error:
        raise ConfigError(str(error)) from None
