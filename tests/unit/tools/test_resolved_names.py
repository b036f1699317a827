"""Names found, and not found, in packages that are read and never imported."""

from __future__ import annotations

import pytest
from google.protobuf import descriptor_pb2

from tools.library_names.resolve import Packages

FILES = {
    "lib/__init__.py": """
        raise RuntimeError("imported")
        try:
            from lib.sdk import *
            from lib import sub
        except ImportError:
            import sub.fallback as fell_back
        with open(unknown) as (opened, closed):
            for looped in [inner for inner in opened]:
                pass
        from lib.sub import Original as Renamed
        from lib.gone import Lost
        from elsewhere import unknown
        alias = Renamed.Inner
        if unknown:
            conditional = 1
    """,
    "lib/sdk.py": """
        from lib.sub import SHOWN, HIDDEN
        __all__ = ["SHOWN"]
    """,
    "lib/sub/__init__.py": """
        from .deep import *
        from . import deep as shallow
        SHOWN = HIDDEN = _PRIVATE = 1
    """,
    "lib/sub/deep.py": """
        import enum
        class Base:
            inherited = 1
            def __init__(self): self.on_instance = 1
        class Original(Base, metaclass=abc.ABCMeta):
            class Inner:
                VALUE = 1
        class Foreign(enum.Enum):
            A = 1
        class Made(Base, metaclass=Meta):
            A = 1
        _private = 1
    """,
    "lib/lazy.py": "def __getattr__(name): ...",
    "lib/circle.py": "from lib.circle2 import *",
    "lib/circle2.py": "from lib.circle import *\nX = 1",
    "bare/module.py": "x = 1",
}

PRESENT = [
    "lib", "lib.sub", "lib.SHOWN", "lib.Renamed", "lib.Renamed.Inner.VALUE", "lib.alias.VALUE",
    "lib.Renamed.inherited", "lib.Renamed.on_instance", "lib.Renamed.__init__", "lib.conditional",
    "lib.sub.Original", "lib.sub.HIDDEN", "lib.sub.shallow.Base", "lib.sub.deep._private",
    "lib.unknown.anything", "lib.lazy.anything", "lib.sub.Foreign.anything", "lib.circle.X",
    "lib.sub.Made.anything", "lib.fell_back", "lib.closed", "lib.looped", "bare.module.x",
    "elsewhere.anything",
]  # fmt: skip
ABSENT = [
    "lib.nothing", "lib.HIDDEN", "lib.Lost", "lib.Original", "lib.sub._private", "lib.alias.OTHER",
    "lib.Renamed.nothing", "lib.sub.nothing", "lib.sub.shallow.nothing", "lib.circle.nothing",
    "lib.sdk.nothing", "lib.inner", "bare.nothing", "bare.module.y",
]  # fmt: skip


@pytest.fixture(scope="module", name="packages")
def write_packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    folder = tmp_path_factory.mktemp("unpacked")
    for name, source in FILES.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(_dedent(source), encoding="utf-8")
    (folder / "lib" / "names_pb2.py").write_text(_generated(), encoding="utf-8")
    return Packages(folder)


@pytest.mark.parametrize("name", PRESENT)
def test_is_found(packages: Packages, name: str) -> None:
    assert packages.have(name)


@pytest.mark.parametrize("name", ABSENT)
def test_is_not_found(packages: Packages, name: str) -> None:
    assert not packages.have(name)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("Message", True),
        ("Message.FromString", True),
        ("Message.field", True),
        ("Message.FIELD_FIELD_NUMBER", True),
        ("Message.Inner.deep", True),
        ("Message.NESTED", True),
        ("TOP", True),
        ("Kind.TOP", True),
        ("Kind.Name", True),
        ("DESCRIPTOR", True),
        ("Other", False),
        ("Message.Other", False),
        ("Message.Inner.other", False),
        ("Kind.OTHER", False),
    ],
)
def test_messages_are_read_from_their_descriptor(
    packages: Packages, name: str, found: bool
) -> None:
    assert packages.have(f"lib.names_pb2.{name}") == found


def _generated() -> str:
    """What protoc writes: no statement names a message."""
    file = descriptor_pb2.FileDescriptorProto(name="names.proto")
    file.enum_type.add(name="Kind").value.add(name="TOP", number=0)
    message = file.message_type.add(name="Message")
    message.field.add(name="field", number=1)
    message.enum_type.add(name="Of").value.add(name="NESTED", number=0)
    message.nested_type.add(name="Inner").field.add(name="deep", number=1)
    return f"DESCRIPTOR = pool.AddSerializedFile({file.SerializeToString()!r})\nshort = b'x'\n"


def _dedent(source: str) -> str:
    return "\n".join(line.removeprefix(" " * 8) for line in source.splitlines())
