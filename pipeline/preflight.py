"""What is bound to fail is said before anything runs. Imports no TFX."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path

from models.features import SAVED_MODEL
from models.hyperparameters import NO_FILE
from models.keras_environment import UnfitKeras, check_keras_settings
from models.packaged_weights import PUBLISHED, published_file
from pipeline.config import Beam, ConfigError, PipelineConfig
from pipeline.locations import WorkDirectory
from pipeline.runs import refuse_demo_over_films
from radiographs.local_roots import check_folder

# TFX, Beam and TensorFlow match names that hold the first four; Keras fills in the braces.
_PATTERN_CHARACTERS = "*?[\\{}"
_SECONDS_TO_ANSWER = 5  # of an engine
_TEMPORARY_BYTES = 1_000_000  # a place with less is as good as full
_LONGEST_STORE_BYTES = 512 - len("-journal")  # of a path that SQLite opens


def check_machine(environment: Mapping[str, str]) -> None:
    """Refuses an environment that no run can come to its end in.

    Args:
        environment: Variables.

    Raises:
        ConfigError: Saying what is set wrong, where, and what to do.
    """
    try:
        check_keras_settings(environment)
    except UnfitKeras as error:
        raise ConfigError(str(error)) from None
    _check_temporary_folder(environment.get("TMPDIR", ""))


def _check_temporary_folder(named: str) -> None:
    if named and not os.path.isdir(named):  # Python would go elsewhere without a word
        raise ConfigError(f"TMPDIR is {named}, which is no folder; make it, or unset TMPDIR")
    if named and not os.access(named, os.W_OK | os.X_OK):
        raise ConfigError(f"TMPDIR is {named}, which may not be written; set it to another folder")
    folder = named or "the system's temporary folder"
    try:
        with tempfile.TemporaryFile(dir=named or None) as file:
            file.write(bytes(_TEMPORARY_BYTES))
    except OSError as error:
        raise ConfigError(
            f"no temporary file can be written in {folder}: {error.strerror}; make room there, or "
            "set TMPDIR to another folder"
        ) from None


def check_no_pattern(what: str, address: str) -> None:
    """Refuses an address that would be taken for a pattern, and reach into other folders.

    Args:
        what: It is the address of.
        address: A path or URI.

    Raises:
        ConfigError: Naming the character.
    """
    found = next((character for character in _PATTERN_CHARACTERS if character in address), "")
    if found:
        raise ConfigError(
            f"{what} {address} has a '{found}' in its name, which libraries take for a pattern of "
            f"names; choose one without {' '.join(_PATTERN_CHARACTERS)}"
        )


def check_work(work: WorkDirectory) -> None:
    """Refuses a work directory whose name the libraries cannot deal with.

    Args:
        work: Links in its path are followed already.

    Raises:
        ConfigError: Saying what is wrong with it.
    """
    check_no_pattern("the work directory", str(work.path))
    _check_name("the work directory", work.path, "--workdir")
    length = len(os.fsencode(work.metadata))
    if length > _LONGEST_STORE_BYTES:
        raise ConfigError(
            f"the path of the work directory is {length - _LONGEST_STORE_BYTES} bytes too long for "
            f"SQLite, which keeps the metadata in {work.metadata}; choose a shorter --workdir"
        )


def _check_name(what: str, path: Path, flag: str) -> None:
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        shown = os.fsencode(path).decode("utf-8", "backslashreplace")
        raise ConfigError(
            f"the name of {what} {shown} is not UTF-8, and cannot be stored; rename it, or choose "
            f"another {flag}"
        ) from None


def check_data_root(data_root: Path | None, work: WorkDirectory) -> None:
    """Refuses what cannot be a folder of films for a work directory.

    Args:
        data_root: Films, or None for phantoms.
        work: Where the run writes.

    Raises:
        ConfigError: Saying what is wrong with it.
    """
    if data_root is None:
        refuse_demo_over_films(work)
        return
    _check_name("the data root", data_root.resolve(), "--data-root")
    check_folder(data_root)
    if work.path.is_relative_to(data_root.resolve()):
        raise ConfigError(
            f"the work directory {work.path} lies inside the data root, which a run would then "
            "change; choose another with --workdir"
        )


def check_named_paths(config: PipelineConfig) -> None:
    """Finds what settings name and is not there, before an hour of training has gone by.

    Args:
        config: Of the run.

    Raises:
        ConfigError: Naming the setting.
    """
    root, weights = config.evaluation.external_data_root, config.network.weights
    if root and not Path(root).is_dir():
        raise ConfigError(
            f"the external data root {root} is not a folder; check evaluation.external_data_root"
        )
    served = config.data_gate.serving_statistics
    if served and "://" not in served and not Path(served).is_file():
        raise ConfigError(
            f"the statistics {served} are no file; check data_gate.serving_statistics"
        )
    excluded = config.data.exclude_films
    if excluded and "://" not in excluded and not Path(excluded).is_file():
        raise ConfigError(f"the list {excluded} is no file; check data.exclude_films")
    _check_hyperparameters(config.hyperparameters_folder)
    if weights not in NO_FILE:
        _check_weights(weights, config)
    if weights == "imagenet" and config.network.backbone in PUBLISHED:
        _check_package(config.network.backbone)
    lungs = config.own_lung_weights
    if lungs and "://" not in lungs and not Path(lungs).is_file():
        raise ConfigError(
            f"the weights file {lungs} does not exist; check preprocessing.lung_fields_weights, "
            "which may also be shipped"
        )


def check_engine(settings: Beam) -> None:
    """Finds out that no engine answers, for which Beam would wait without a word.

    Args:
        settings: How Beam runs.

    Raises:
        ConfigError: Naming the setting.
    """
    if settings.engine != "prism":
        return
    for name, address in (("address", settings.address), ("worker_pool", settings.worker_pool)):
        host, _, port = address.rpartition(":")
        if not address:
            continue
        if not (host and port.isdecimal()):
            raise ConfigError(f"beam.{name}={address} is no host:port, as localhost:8073 is")
        try:
            socket.create_connection((host, int(port)), _SECONDS_TO_ANSWER).close()
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"nothing answers at beam.{name}={address} ({error}); start it there, or mend the "
                "address"
            ) from None


def _check_package(backbone: str) -> None:
    try:
        published_file(backbone)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _check_weights(weights: str, config: PipelineConfig) -> None:
    if Path(weights, SAVED_MODEL).is_file():
        # Late, as TensorFlow is.
        from pipeline.start import refuse_other_members, refuse_other_preparation

        refuse_other_preparation(weights, config.preprocessing)
        refuse_other_members(weights, config.hyperparameters)
    elif not Path(weights).is_file():
        raise ConfigError(
            f"the weights file {weights} does not exist, nor a pushed model of that name; check "
            "network.weights, which may also be none or imagenet"
        )


def _check_hyperparameters(folder: str) -> None:
    if not folder or "://" in folder:
        return
    files = list(Path(folder).iterdir()) if Path(folder).is_dir() else []
    if len(files) != 1:  # the Trainer asks for the only one
        raise ConfigError(
            f"{folder} is no folder with one file, best_hyperparameters.txt; check "
            "tuner.hyperparameters"
        )
