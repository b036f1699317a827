"""Imports point one way: from the runners down to features and radiographs, never back."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# What each part may import of ours. A part that is not here, such as tests, may import anything.
ALLOWED = {
    "schema": set(),
    "models.features": set(),
    "radiographs": {"radiographs", "models.features"},
    "metrics": {"metrics", "models.features"},
    "models": {"models", "models.features", "radiographs"},
    "components": {"components", "metrics", "models", "models.features", "radiographs", "schema"},
    "pipeline": {
        "pipeline",
        "components",
        "metrics",
        "models",
        "models.features",
        "radiographs",
        "schema",
    },
    "serving": {"serving", "metrics", "models.features", "radiographs"},
    "local_runner": {"pipeline", "radiographs"},
    "kubeflow_runner": {"pipeline", "radiographs"},
}
OURS = {*ALLOWED, "tests", "tools", "benchmarks"}
HEAVY = {"tensorflow", "tensorflow_transform", "tfx", "apache_beam", "keras"}


def modules(root: Path) -> dict[str, Path]:
    """Returns the file of each module, by dotted name, of the parts in `ALLOWED`."""
    tops = [root / name for name in ALLOWED if (root / name).is_dir()]
    files = [file for top in tops for file in top.rglob("*.py")]
    files += [root / f"{name}.py" for name in ALLOWED if (root / f"{name}.py").is_file()]
    return {".".join(_parts(file.relative_to(root))): file for file in files}


def _parts(file: Path) -> tuple[str, ...]:
    return file.parent.parts if file.name == "__init__.py" else file.with_suffix("").parts


def part_of(module: str) -> str:
    """Returns the part a module belongs to; of models, features is a part of its own."""
    in_features = module == "models.features" or module.startswith("models.features.")
    return "models.features" if in_features else module.partition(".")[0]


def imports(module: str, file: Path, known: dict[str, Path]) -> Iterator[str]:
    """Yields the dotted name of everything a module imports, inside functions too."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, module, is_package=file.name == "__init__.py")
            for alias in node.names:
                name = f"{base}.{alias.name}"
                yield name if name in known else base


def _absolute(node: ast.ImportFrom, module: str, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    package = module.split(".") if is_package else module.split(".")[:-1]
    above = package[: len(package) - node.level + 1]
    return ".".join([*above, node.module] if node.module else above)


def backward_imports(root: Path) -> list[str]:
    """Returns one line for each import of ours that the direction forbids."""
    known = modules(root)
    return sorted(
        f"{module} imports {target}"
        for module, file in known.items()
        for target in imports(module, file, known)
        if part_of(target) in OURS and part_of(target) not in ALLOWED[part_of(module)]
    )


def test_imports_point_one_way() -> None:
    assert backward_imports(ROOT) == []


def test_the_walk_sees_the_imports_that_are_there() -> None:
    known = modules(ROOT)
    seen = {
        (module, target) for module in known for target in imports(module, known[module], known)
    }
    assert ("models.preprocessing", "models.features") in seen
    assert ("local_runner", "pipeline.config") in seen
    assert ("pipeline.locations", "schema") in seen


def test_features_imports_nothing_at_all() -> None:
    # Importing models.features runs models/__init__.py first.
    known = modules(ROOT)
    for module in ("models", "models.features"):
        assert list(imports(module, known[module], known)) == []


def test_the_words_of_the_contract_are_written_down_once() -> None:
    words = {"NORMAL", "PNEUMONIA", "LABELS", "UNKNOWN", "SUBTYPE_NONE", "BACTERIA", "VIRUS",
             "AGE_UNKNOWN", "VIEWS", "SEXES", "TRAIN", "EVAL", "TEST", "SPLITS"}  # fmt: skip
    places = {
        (module, target.id)
        for module, file in modules(ROOT).items()
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and target.id in words
    }
    assert places == {("models.features", word) for word in words}


@pytest.mark.parametrize("part", ["metrics", "radiographs"])
def test_what_lies_below_the_graph_does_without_tensorflow(part: str) -> None:
    known = modules(ROOT)
    found = {
        f"{module} imports {target}"
        for module, file in known.items()
        if part_of(module) == part
        for target in imports(module, file, known)
        if target.partition(".")[0] in HEAVY
    }
    assert found == set()


@pytest.mark.parametrize(
    ("file", "source", "found"),
    [
        ("radiographs/films.py", "import models", "radiographs.films imports models"),
        (
            "radiographs/deep/films.py",
            "from models import network",
            "radiographs.deep.films imports models.network",
        ),
        (
            "models/network.py",
            "from pipeline.config import X",
            "models.network imports pipeline.config",
        ),
        (
            "models/features.py",
            "from . import network",
            "models.features imports models.network",
        ),
        (
            "components/gate/executor.py",
            "def work():\n    import local_runner\n",
            "components.gate.executor imports local_runner",
        ),
        (
            "serving/client.py",
            "from models import network",
            "serving.client imports models.network",
        ),
        (
            "metrics/slices.py",
            "from models.network import build",
            "metrics.slices imports models.network",
        ),
        ("models/network.py", "import metrics", "models.network imports metrics"),
        ("pipeline/config.py", "import tests.unit", "pipeline.config imports tests.unit"),
        ("local_runner.py", "import models.network as n", "local_runner imports models.network"),
    ],
)
def test_a_planted_backward_import_is_found(
    tmp_path: Path, file: str, source: str, found: str
) -> None:
    _write(tmp_path, "models/__init__.py", "")
    _write(tmp_path, "models/network.py", "")
    _write(tmp_path, "models/features.py", "")
    _write(tmp_path, file, source)
    assert backward_imports(tmp_path) == [found]


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("serving/client.py", "from models import features"),
        ("radiographs/films.py", "from models.features import NORMAL"),
        ("components/gate/__init__.py", "from .executor import work\nfrom .. import artifacts"),
        ("models/network.py", "import os, numpy\nfrom models.features import IMAGE"),
        ("tests/test_all.py", "import local_runner, models, radiographs"),
    ],
)
def test_a_forward_import_is_let_through(tmp_path: Path, file: str, source: str) -> None:
    _write(tmp_path, "models/features.py", "")
    _write(tmp_path, file, source)
    assert backward_imports(tmp_path) == []


def _write(root: Path, name: str, source: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(source, encoding="utf-8")
