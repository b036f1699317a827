"""The README says what the code says."""

from __future__ import annotations

from pathlib import Path

from models import features
from pipeline.config import settings_table

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_settings_table_is_the_one_of_the_code() -> None:
    assert settings_table() in README


def test_every_signature_and_folder_is_named() -> None:
    packages = [path.parent.name for path in ROOT.glob("*/__init__.py")]
    assert packages
    for name in (*features.SIGNATURES, *(f"{package}/" for package in packages)):
        assert f"`{name}`" in README


def test_it_says_what_it_is_not() -> None:
    assert "a medical device" in README.split("What it is not:")[1][:60]


def test_linked_files_are_there() -> None:
    files = ("CONTRIBUTING.md", "CHANGELOG.md", "Dockerfile", "docs/report.png")
    for name in (*files, "docs/measurements.md"):
        assert name in README
        assert (ROOT / name).exists()
