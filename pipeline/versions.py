"""Versions of a pushed model: which one is meant, and how another one joins them."""

from __future__ import annotations

import os
import posixpath
import time

import tensorflow as tf

from components.pusher.executor import BESIDE, free_version, remove_partial_versions
from models.features import MODEL_NAME, SAVED_MODEL
from pipeline.config import ConfigError


def find_version(model: str) -> str:
    """Returns the folder of a pushed model.

    Args:
        model: The folder of a version, or of versions, of which the newest is taken, or a work
            directory; local or remote.

    Raises:
        ConfigError: If there is no model.
    """
    model = model.rstrip("/")
    if _is_model(model):
        return model
    for root in (model, posixpath.join(model, "serving_model", MODEL_NAME)):
        versions = _versions(root)
        if versions:
            return posixpath.join(root, max(versions, key=int))
    raise ConfigError(
        f"{model} holds no pushed model; give the folder of a version, such as "
        f"work/serving_model/{MODEL_NAME}/1700000000, one above it, or the work directory"
    )


def publish(folder: str, root: str) -> str:
    """Adds a model to a folder of versions, so that a server never sees half of it.

    Args:
        folder: Of a whole SavedModel on this machine.
        root: Of the versions, local or remote; made if need be.

    Returns:
        The folder of the new version, which is newer than all others.

    Raises:
        ConfigError: If it is the folder of a model, or cannot be written.
    """
    if _is_model(root):
        raise ConfigError(
            f"{root} is a model itself; give a folder of versions, such as that above"
        )
    try:
        tf.io.gfile.makedirs(root)
        remove_partial_versions(root)
        newest = max([int(time.time()), *(int(name) + 1 for name in _versions(root))])
        version = posixpath.join(root, free_version(root, str(newest)))
        if "://" in root:
            _copy(folder, version)
        else:
            beside = posixpath.join(root, BESIDE)
            _copy(folder, beside)
            tf.io.gfile.rename(beside, version)
    except (OSError, tf.errors.OpError) as error:
        reason = getattr(error, "strerror", None) or getattr(error, "message", "") or error
        raise ConfigError(f"{root} cannot be written: {reason}; give another folder") from None
    return version


def _versions(root: str) -> list[str]:
    names = (
        [str(name).rstrip("/") for name in tf.io.gfile.listdir(root)]
        if tf.io.gfile.isdir(root)
        else []
    )
    return [name for name in names if name.isdigit() and _is_model(posixpath.join(root, name))]


def _is_model(folder: str) -> bool:
    return tf.io.gfile.exists(posixpath.join(folder, SAVED_MODEL))


def _copy(folder: str, to: str) -> None:
    """Copies a model, the file that makes it one last."""
    paths = [
        os.path.relpath(os.path.join(above, name), folder)
        for above, _, names in os.walk(folder)
        for name in names
    ]
    for path in sorted(paths, key=lambda path: path == SAVED_MODEL):
        target = posixpath.join(to, path)
        tf.io.gfile.makedirs(posixpath.dirname(target))
        tf.io.gfile.copy(os.path.join(folder, path), target)
