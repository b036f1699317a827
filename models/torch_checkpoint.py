"""Tensors out of a file that PyTorch saved, without PyTorch.

The format is the one of PyTorch before 1.6: a magic number, a version, facts of the machine and
the object as pickles, then the keys of the storages as a pickle, then each storage as a count of
elements and their bytes. A tensor is a view of a storage: an offset, a shape and strides.

A pickle may call whatever it can name. Here it can name what makes up a dictionary of tensors and
nothing else, and none of it is PyTorch's own.
"""

from __future__ import annotations

import io
import math
import pickle
import struct
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001
_COUNT = struct.Struct("<q")  # ahead of each storage
_DAMAGED = "it is damaged"


class UnreadableCheckpoint(ValueError):
    """A file is of another format, damaged, or holds more than tensors; the text says which."""


class _Kind(NamedTuple):
    """A class of storages, by the numbers that it holds."""

    dtype: str


class _Storage(NamedTuple):
    key: str
    dtype: str
    elements: int


class _View(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_tensors(content: bytes) -> dict[str, npt.NDArray[Any]]:
    """Reads a dictionary of tensors, such as `torch.save(network.state_dict(), file)` wrote.

    Args:
        content: The file, in the format of PyTorch before 1.6.

    Returns:
        Each tensor by its name, in C order: float32 or int64.

    Raises:
        UnreadableCheckpoint: Saying what is wrong with it.
    """
    try:
        return _read(io.BytesIO(content))
    except UnreadableCheckpoint:
        raise
    except Exception as error:  # what pickle raises depends on where the file is damaged
        raise UnreadableCheckpoint(_DAMAGED) from error


def _read(stream: io.BytesIO) -> dict[str, npt.NDArray[Any]]:
    _check_header([_load(stream) for _ in range(3)])
    views = _load(stream)
    if not isinstance(views, Mapping):
        raise UnreadableCheckpoint(f"it holds a {type(views).__name__}, not tensors by name")
    for name, view in views.items():
        if not isinstance(name, str) or not isinstance(view, _View):
            kind = type(view).__name__
            raise UnreadableCheckpoint(f"{name!r} is a {kind}, and only tensors are read")
    storages = _read_storages(stream, {view.storage.key: view.storage for view in views.values()})
    return {name: _look(name, view, storages[view.storage.key]) for name, view in views.items()}


def _rebuild_tensor(*found: Any) -> _View:
    """Stands in for PyTorch's function; what follows the strides is for training."""
    match found:
        case (_Storage() as storage, offset, tuple(shape), tuple(strides), *_):
            numbers = (offset, *shape, *strides)
            whole = all(isinstance(number, int) and number >= 0 for number in numbers)
            if whole and len(shape) == len(strides):
                return _View(storage, offset, shape, strides)
    raise UnreadableCheckpoint("the shape or strides of a tensor are no whole numbers")


_ADMITTED: Mapping[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch", "FloatStorage"): _Kind("<f4"),
    ("torch", "LongStorage"): _Kind("<i8"),
}


class _TensorsOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise UnreadableCheckpoint(f"it asks for {module}.{name}, and only tensors are read")
        return _ADMITTED[module, name]

    def persistent_load(self, found: Any) -> _Storage:
        match found:
            case ("storage", _Kind(dtype), str(key), str(), int(elements), None):
                return _Storage(key, dtype, elements)
        raise UnreadableCheckpoint(f"it refers to {found!r}, which is no whole storage")


def _load(stream: io.BytesIO) -> Any:
    return _TensorsOnly(stream).load()


def _check_header(header: list[Any]) -> None:
    magic, version, machine = header
    if magic != _MAGIC or version != _VERSION:
        raise UnreadableCheckpoint("it is not in the format of PyTorch before 1.6")
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise UnreadableCheckpoint("its numbers are big-endian")


def _read_storages(
    stream: io.BytesIO, wanted: Mapping[str, _Storage]
) -> dict[str, npt.NDArray[Any]]:
    storages = {}
    for key in _load(stream):
        _, dtype, elements = wanted[key]
        size = elements * np.dtype(dtype).itemsize
        count, content = stream.read(_COUNT.size), stream.read(size)
        if count != _COUNT.pack(elements) or len(content) != size:
            raise UnreadableCheckpoint(_DAMAGED)
        storages[key] = np.frombuffer(content, dtype)
    if stream.read(1):
        raise UnreadableCheckpoint(_DAMAGED)
    return storages


def _look(name: str, view: _View, storage: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Cuts a tensor out of its storage, within whose bounds it has to lie."""
    _, offset, shape, strides = view
    last = offset + sum(
        (length - 1) * stride for length, stride in zip(shape, strides, strict=True)
    )
    elements = math.prod(shape)
    if elements and max(last + 1, elements) > len(storage):
        raise UnreadableCheckpoint(f"{name} reaches beyond its storage")
    in_bytes = [stride * storage.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, in_bytes).copy()
