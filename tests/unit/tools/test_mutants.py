"""mutants: one change a place, none of annotations alone, and only what tests miss survives."""

from __future__ import annotations

import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from tools.mutants.__main__ import Results, UselessTests, try_all
from tools.mutants.mutations import mutations
from tools.mutants.targets import ROOT, Target, targets

SOURCE = '''"""Adds."""
from __future__ import annotations


def add(one: int | None, other: int) -> int | None:
    total: int | None = one + other
    return total if one > 0 else 7
'''

ATTEMPTS = """
from pathlib import Path
import added  # as the parent may have imported what a child should find changed
from tools.mutants.trial import attempt

source = Path("added.py").read_text()
for changed in (source, source.replace("+", "-"), source.replace("> 0", ">= 0"), "while True: 1"):
    print(attempt("added", Path("added.py"), changed, ["test_added.py"], 4))
"""


WIRED = """
def chosen(films, wanted, **known):
    some = [film for film in films if film in wanted]
    return sorted(some, key=len, reverse=not wanted) if "all" not in known else films
"""


class TestMutations:
    def test_what_is_handed_over_and_chosen_is_changed(self) -> None:
        drawn = [one for seed in range(20) for one in mutations(WIRED, seed)]
        by_operator = {
            name: {one.after for one in drawn if one.operator == name}
            for name in ("InvertMembership", "NegateFilter", "DropKeywordArgument")
        }
        chooses, returns = WIRED.splitlines()[2].strip(), WIRED.splitlines()[3].strip()
        assert by_operator == {
            "InvertMembership": {
                chooses.replace("film in wanted", "film not in wanted"),
                returns.replace("not in known", "in known"),
            },
            "NegateFilter": {chooses.replace("if film in wanted", "if not (film in wanted)")},
            "DropKeywordArgument": {
                returns.replace("key=len", "**{}"), returns.replace("reverse=not wanted", "**{}"),
            },
        }  # fmt: skip

    def test_what_only_looks_different_is_left_out(self) -> None:
        source = "def text(of):\n    return dumps(of, indent=2), list(zip(of, of, strict=True))\n"
        assert list(mutations(source, seed=0)) == []

    def test_a_dotted_exception_is_no_stumbling_block(self) -> None:
        source = "def f(g):\n    try:\n        g()\n    except (KeyError, a.b):\n        pass\n"
        assert all("except" in one.before for one in mutations(source, seed=0))

    def test_each_place_is_changed_once_and_annotations_never(self) -> None:
        changed = list(mutations(SOURCE, seed=0))
        assert [one.line for one in changed] == [6, 7, 7, 7, 7]
        assert len({one.source for one in changed}) == len(changed)
        for one in changed:
            assert "int | None" in one.source.splitlines()[4]
            before = SOURCE.splitlines()[one.line - 1].strip()
            assert before == one.before != one.after

    def test_the_seed_decides(self) -> None:
        drawn = [[one.source for one in mutations(SOURCE, seed)] for seed in (0, 0, 1, 2, 3)]
        assert drawn[0] == drawn[1]
        assert any(other != drawn[0] for other in drawn[2:])


def test_a_change_survives_only_if_all_tests_pass(tmp_path: Path) -> None:
    (tmp_path / "added.py").write_text(SOURCE)
    (tmp_path / "test_added.py").write_text(
        "from added import add\ndef test_add():\n    assert add(3, 2) == 5 and add(-1, 0) == 7\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", ATTEMPTS],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{tmp_path}:{ROOT}", "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split("\n")[:4] == ["survived", "killed", "survived", "timed out"]


def test_each_module_has_tests() -> None:
    found = {target.source: target.tests for target in targets()}
    assert {"radiographs/splits.py", "components/auditor/changes.py", "metrics/scores.py"} <= set(
        found
    )
    assert all(found.values()), found
    assert all((ROOT / test).exists() for tests in found.values() for test in tests)


def test_a_module_without_tests_is_named_and_not_tried_by_all(tmp_path: Path) -> None:
    with pytest.raises(UselessTests, match=r"pipeline/nowhere\.py has no tests of its name"):
        try_all(Target("pipeline/nowhere.py", ()), Namespace(), Results(tmp_path / "none.jsonl"))
