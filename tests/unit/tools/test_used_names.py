"""The names of libraries that a source uses, with aliases, scopes and base classes resolved."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from tools.library_names.used import Use, find_uses

LIBRARIES = ("lib", "other_lib")


def names(folder: Path, source: str) -> set[str]:
    (folder / "module.py").write_text(textwrap.dedent(source), encoding="utf-8")
    return {use.name for use in find_uses(folder, LIBRARIES)}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import lib\nlib.a.B()", {"lib", "lib.a.B"}),
        ("import lib.sub as s\ns.B.c", {"lib.sub", "lib.sub.B.c"}),
        ("import lib.sub\nlib.sub.B", {"lib.sub", "lib.sub.B"}),
        ("from lib import v1 as l\nl.dsl.Pipeline", {"lib.v1", "lib.v1.dsl.Pipeline"}),
        ("from lib.a import B\nx: B.c = 0", {"lib.a.B", "lib.a.B.c"}),
        ("import lib\nlib.make(1).unknown", {"lib", "lib.make"}),
        ("import lib\nfound = getattr(lib.a, 'b')", {"lib", "lib.a", "lib.a.b"}),
        ("import lib\npatch.setattr(lib.A, 'b', 1)", {"lib", "lib.A", "lib.A.b"}),
        ("import lib\ngetattr(lib, 'b', None)", {"lib"}),
        ("RUNNER = 'lib.runners.Fast'", {"lib.runners.Fast"}),
        ("FILE = 'lib.json'\nTEXT = 'lib.a.b is no name'", set()),
        ("import numpy as lib\nlib.a", set()),
        ("from . import lib\nlib.a", set()),
    ],
)
def test_imports_chains_and_strings(tmp_path: Path, source: str, expected: set[str]) -> None:
    assert names(tmp_path, source) == expected


def test_a_local_name_hides_the_import(tmp_path: Path) -> None:
    source = """
        from lib import artifact
        def uses(): return artifact.used
        def argument(artifact): return artifact.a
        def assigned():
            artifact = 1
            return artifact.b
        def nested(artifact):
            return lambda: artifact.c
        [artifact.d for artifact in ()]
        def comes_later():
            return late.used
        import lib as late
    """
    expected = {"lib", "lib.artifact", "lib.artifact.used", "lib.used"}
    assert names(tmp_path, source) == expected


def test_what_a_class_binds_is_not_seen_by_its_methods(tmp_path: Path) -> None:
    source = """
        import lib
        class A:
            lib = lib.first
            def method(self): return lib.second
    """
    assert names(tmp_path, source) == {"lib", "lib.second"}


def test_an_import_in_a_function_ends_with_it(tmp_path: Path) -> None:
    source = """
        def one():
            from lib import a
            return a.b
        def two(): return a.c
    """
    assert names(tmp_path, source) == {"lib.a", "lib.a.b"}


def test_what_a_class_takes_of_its_base_is_a_use(tmp_path: Path) -> None:
    source = """
        from lib import Base
        class Ours(Base):
            def __init__(self):
                super().__init__()
                self.own = 1
            def act(self):
                return self.own, self.act, self.inherited, super().hook()
    """
    assert names(tmp_path, source) == {
        "lib.Base", "lib.Base.__init__", "lib.Base.inherited", "lib.Base.hook",
    }  # fmt: skip


def test_says_where(tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "one.py").write_text("import lib\n\nlib.a\n", encoding="utf-8")
    for passed_over in (".venv", "work"):
        (tmp_path / passed_over).mkdir()
        (tmp_path / passed_over / "two.py").write_text("import lib\n", encoding="utf-8")
    assert find_uses(tmp_path, LIBRARIES) == [
        Use("lib", "part/one.py", 1), Use("lib.a", "part/one.py", 3),
    ]  # fmt: skip
