"""Reading tensors that PyTorch saved: what a tensor is, and all that is refused."""

from __future__ import annotations

import io
import os
import pathlib
import pickle
import struct
import sys
import types
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

from models.torch_checkpoint import UnreadableCheckpoint, read_tensors

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
MACHINE = {"protocol_version": VERSION, "little_endian": True, "type_sizes": {"int": 4}}
NUMBERS = np.arange(24, dtype=np.float32)


def named(name: str, module: str, **members: Any) -> type:
    return type(name, (), {"__module__": module, "__qualname__": name, **members})


@pytest.fixture(name="torch", autouse=True)
def make_torch(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """Names of PyTorch for pickle to write; nothing of it has to be installed to read them."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for kind in ("FloatStorage", "LongStorage", "DoubleStorage"):
        setattr(torch, kind, named(kind, "torch"))
    for function in ("_rebuild_tensor_v2", "_rebuild_parameter"):
        setattr(utils, function, named(function, "torch._utils"))
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)
    return torch


class Calls:
    """Is saved as the call of a function."""

    def __init__(self, function: Any, *arguments: Any):
        self._call = function, arguments

    def __reduce__(self) -> Any:
        return self._call


class Storage:
    """Is saved as a reference to bytes that follow the pickles."""

    def __init__(self, numbers: np.ndarray, kind: str = "FloatStorage", view: Any = None):
        self.numbers, self.kind, self.view = numbers, kind, view
        self.claimed = len(numbers)

    @property
    def reference(self) -> Any:
        kind = getattr(sys.modules["torch"], self.kind)
        return ("storage", kind, str(id(self)), "cpu", self.claimed, self.view)


def tensor(
    storage: Storage, offset: Any, shape: tuple[int, ...], strides: tuple[Any, ...]
) -> Calls:
    rebuild = sys.modules["torch._utils"]._rebuild_tensor_v2
    return Calls(rebuild, storage, offset, shape, strides, False, OrderedDict())


def saved(content: Any, *storages: Storage, magic: int = MAGIC, machine: Any = MACHINE) -> bytes:
    """Writes as PyTorch before 1.6 did."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, found: Any) -> Any:
            return found.reference if isinstance(found, Storage) else None

    stream = io.BytesIO()
    for part in (magic, VERSION, machine, content, [str(id(one)) for one in storages]):
        Pickler(stream, 2).dump(part)
    for storage in storages:
        stream.write(struct.pack("<q", storage.claimed) + storage.numbers.tobytes())
    return stream.getvalue()


def test_a_tensor_is_a_view_with_offset_and_strides() -> None:
    numbers, counts = Storage(NUMBERS), Storage(np.array([7, 8]), "LongStorage")
    content = OrderedDict(
        whole=tensor(numbers, 0, (2, 3, 4), (12, 4, 1)),
        turned=tensor(numbers, 0, (4, 3, 2), (1, 4, 12)),
        part=tensor(numbers, 5, (2, 2), (12, 1)),
        number=tensor(counts, 1, (), ()),
        none=tensor(numbers, 0, (0, 3), (3, 1)),
    )
    found = read_tensors(saved(content, numbers, counts))
    assert list(found) == list(content)
    whole = NUMBERS.reshape(2, 3, 4)
    np.testing.assert_array_equal(found["whole"], whole)
    np.testing.assert_array_equal(found["turned"], whole.transpose())
    np.testing.assert_array_equal(found["part"], [[5, 6], [17, 18]])
    assert found["number"] == 8
    assert found["number"].dtype == np.int64
    assert found["turned"].dtype == np.float32
    assert found["turned"].flags.c_contiguous
    assert found["turned"].flags.writeable
    assert found["none"].shape == (0, 3)


def test_a_state_of_pytorch_has_notes_that_are_no_tensor() -> None:
    content = OrderedDict(a=tensor(numbers := Storage(NUMBERS), 0, (24,), (1,)))
    content._metadata = OrderedDict(version=1)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(read_tensors(saved(content, numbers))["a"], NUMBERS)


@pytest.mark.parametrize("place", ["the object", "the machine", "a shape", "a storage"])
def test_no_function_is_called(place: str, tmp_path: pathlib.Path) -> None:
    canary = tmp_path / "called"
    call = Calls(os.mkdir, str(canary))
    numbers = Storage(NUMBERS)
    if place == "a storage":
        numbers.view = call
    shape: Any = (call,) if place == "a shape" else (24,)
    content = {"a": call if place == "the object" else tensor(numbers, 0, shape, (1,))}
    machine = {**MACHINE, "x": call} if place == "the machine" else MACHINE
    with pytest.raises(UnreadableCheckpoint, match=r"asks for (posix|nt)\.mkdir, and only tensors"):
        read_tensors(saved(content, numbers, machine=machine))
    assert not canary.exists()


@pytest.mark.parametrize("function", [eval, getattr, __import__, np.load, pickle.loads])
def test_what_is_asked_for_is_named(function: Any) -> None:
    name = f"{function.__module__}.{function.__name__}".replace("builtins", "__builtin__")
    with pytest.raises(UnreadableCheckpoint) as refused:
        read_tensors(saved({"a": Calls(function, "1")}))
    assert str(refused.value).startswith("it asks for ")
    assert name.rpartition(".")[2] in str(refused.value)


def test_other_parts_of_pytorch_are_refused(torch: types.ModuleType) -> None:
    parameter = sys.modules["torch._utils"]._rebuild_parameter
    with pytest.raises(UnreadableCheckpoint, match=r"torch\._utils\._rebuild_parameter"):
        read_tensors(saved({"a": Calls(parameter, 1)}))
    double = Storage(NUMBERS.astype(np.float64), "DoubleStorage")
    with pytest.raises(UnreadableCheckpoint, match=r"torch\.DoubleStorage"):
        read_tensors(saved({"a": tensor(double, 0, (1,), (1,))}, double))


@pytest.mark.parametrize(("content", "found"), [
    ([1], "holds a list"), ({"a": 1}, "'a' is a int"), ({"a": {}}, "'a' is a dict"),
    ({3: "b"}, "3 is a str"),
])  # fmt: skip
def test_what_is_no_tensor_is_refused(content: Any, found: str) -> None:
    with pytest.raises(UnreadableCheckpoint, match=found):
        read_tensors(saved(content))


@pytest.mark.parametrize(("offset", "shape", "strides", "found"), [
    (1, (24,), (1,), "beyond"), (0, (25,), (1,), "beyond"), (0, (4, 3), (8, 1), "beyond"),
    (24, (), (), "beyond"), (0, (10**12,), (0,), "beyond"),
    (-1, (3,), (1,), "no whole numbers"), (23, (3,), (-1,), "no whole numbers"),
    (0, (-2,), (1,), "no whole numbers"), (0, (2.0,), (1,), "no whole numbers"),
    (0, (2,), (), "no whole numbers"), (0, (2,), (1, 1), "no whole numbers"),
    (0, 5, (1,), "no whole numbers"),
])  # fmt: skip
def test_a_tensor_lies_within_its_storage(
    offset: Any, shape: Any, strides: Any, found: str
) -> None:
    numbers = Storage(NUMBERS)
    with pytest.raises(UnreadableCheckpoint, match=found):
        read_tensors(saved({"a": tensor(numbers, offset, shape, strides)}, numbers))


def test_a_part_of_a_storage_is_refused() -> None:
    numbers = Storage(NUMBERS, view=("1", 0, 3))
    with pytest.raises(UnreadableCheckpoint, match="no whole storage"):
        read_tensors(saved({"a": tensor(numbers, 0, (3,), (1,))}, numbers))


def test_other_formats_are_refused() -> None:
    with pytest.raises(UnreadableCheckpoint, match="not in the format of PyTorch before"):
        read_tensors(saved({}, magic=1))
    with pytest.raises(UnreadableCheckpoint, match="big-endian"):
        read_tensors(saved({}, machine=MACHINE | {"little_endian": False}))
    with pytest.raises(UnreadableCheckpoint):
        read_tensors(b"PK\x03\x04" + bytes(100))  # a zip, as later versions write


def test_a_file_is_read_whole_or_not_at_all() -> None:
    numbers = Storage(NUMBERS)
    whole = saved({"a": tensor(numbers, 0, (24,), (1,))}, numbers)
    for length in range(len(whole)):
        with pytest.raises(UnreadableCheckpoint):
            read_tensors(whole[:length])
    with pytest.raises(UnreadableCheckpoint, match="damaged"):
        read_tensors(whole + b"\0")
    at = len(whole) - NUMBERS.nbytes - 8  # where the storage says how long it is
    with pytest.raises(UnreadableCheckpoint, match="damaged"):
        read_tensors(whole[:at] + struct.pack("<q", 23) + whole[at + 8 :])
    with pytest.raises(UnreadableCheckpoint, match="damaged"):  # a storage that nothing views
        read_tensors(saved({"a": tensor(numbers, 0, (24,), (1,))}, numbers, Storage(NUMBERS)))


@pytest.mark.parametrize("claimed", [23, 25, -1, 2**40, 2**62])
def test_a_storage_is_as_long_as_it_says(claimed: int) -> None:
    numbers = Storage(NUMBERS)
    numbers.claimed = claimed
    with pytest.raises(UnreadableCheckpoint, match="damaged"):
        read_tensors(saved({"a": tensor(numbers, 0, (1,), (1,))}, numbers))
