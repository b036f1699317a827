"""Which modules are changed, and which tests have to notice."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

SOURCES = (
    "radiographs/splits.py", "radiographs/styles.py", "radiographs/style_splits.py",
    "radiographs/sites.py", "radiographs/spans.py",
    "radiographs/layouts.py", "radiographs/manifests.py",
    "radiographs/manifest_columns.py", "radiographs/folder_hints.py",
    "radiographs/folder_names.py", "radiographs/file_names.py", "radiographs/not_films.py",
    "radiographs/patient_ids.py", "radiographs/ignored.py", "radiographs/label_conflicts.py",
    "components/auditor/*.py", "components/audit_gate/*.py", "components/data_gate/*.py",
    "components/evaluation/gates.py", "components/evaluation/comparison.py", "metrics/*.py",
    "models/calibration.py", "models/imbalance.py", "pipeline/baseline.py",
)  # fmt: skip

# Tests of what a module is a part of, beside those of the same name as the module.
_FURTHER_TESTS = {
    "radiographs/": ["radiographs/test_layouts.py"],
    "radiographs/layouts.py": ["radiographs/test_dicom_trees.py"],
    "components/audit_gate/": ["components/audit_gate"],
    "metrics/": ["metrics"],
}

# Tests of a module where no others are needed: they have another name, or a whole audit and TFMA's
# own evaluation take a minute and look at little more.
_OWN_TESTS = {
    "components/auditor/audit.py": ["components/auditor/test_audit_parts.py"],
    "components/auditor/chests.py": ["components/auditor/test_frame_swaps.py"],
    "components/auditor/component.py": ["components/test_specs.py"],
    "components/audit_gate/component.py": ["components/test_specs.py"],
    "components/data_gate/component.py": ["components/test_specs.py"],
    "components/data_gate/account.py": ["components/test_account.py"],
    "components/data_gate/drift.py": ["components/test_drift.py"],
    "components/data_gate/executor.py": ["components/test_data_gate.py"],
    "components/data_gate/histograms.py": [
        "components/test_histograms.py",
        "components/test_drift.py",
    ],
    "components/evaluation/gates.py": ["components/evaluation/test_verdicts.py"],
}


@dataclass(frozen=True)
class Target:
    """A module and its tests, as paths from the checkout."""

    source: str
    tests: tuple[str, ...]

    @property
    def module(self) -> str:
        """Name to import it by."""
        return self.source.removesuffix(".py").replace("/", ".")

    @property
    def fingerprint(self) -> str:
        """Changes with the module and its tests, as what survives may change with either."""
        digest = hashlib.sha256()
        for name in (self.source, *self.tests):
            path = ROOT / name
            for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
                digest.update(file.read_bytes())
        return digest.hexdigest()[:12]


def targets(patterns: Sequence[str] = SOURCES) -> Iterator[Target]:
    """Yields modules with their tests.

    Args:
        patterns: Paths from the checkout, `*` and `?` allowed.

    Yields:
        One for each module; the tests that are nearest come first.
    """
    for pattern in patterns:
        for file in sorted(ROOT.glob(pattern)):
            source = file.relative_to(ROOT).as_posix()
            if file.name != "__init__.py":
                yield Target(source, tuple(_tests_of(source)))


def _tests_of(source: str) -> Iterator[str]:
    folder, _, name = source.rpartition("/")
    candidates = [*_OWN_TESTS.get(source, [f"{folder}/test_{name}"])]
    for prefix, further in _FURTHER_TESTS.items():
        if source.startswith(prefix) and source not in _OWN_TESTS:
            candidates += further
    for candidate in dict.fromkeys(candidates):
        if (ROOT / "tests/unit" / candidate).exists():
            yield f"tests/unit/{candidate}"
