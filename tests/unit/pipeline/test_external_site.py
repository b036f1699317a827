"""The data root under another name is refused from the names alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import ConfigError
from pipeline.external_site import refuse_data_root


@pytest.mark.parametrize(
    ("external", "relation"),
    [
        ("films", "is"),
        ("films/", "is"),
        ("./other/../films", "is"),
        ("link", "is"),
        ("films/train", "lies inside"),
        ("link/train", "lies inside"),
        (".", "contains"),
    ],
)
def test_the_same_place_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, external: str, relation: str
) -> None:
    (tmp_path / "films" / "train").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to("films")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=rf" {relation} the data root .*external_data_root$"):
        refuse_data_root(external, str(tmp_path / "films"))


@pytest.mark.parametrize(
    ("external", "relation"),
    [
        ("gs://bucket/films/", "is"),
        ("GS://bucket/a/../films", "is"),
        ("gs://bucket/films/val", "lies inside"),
        ("gs://bucket", "contains"),
    ],
)
def test_the_same_uri_is_refused(external: str, relation: str) -> None:
    with pytest.raises(ConfigError, match=f" {relation} the data root"):
        refuse_data_root(external, "gs://bucket/films")


@pytest.mark.parametrize(
    "external", ["", "/data/films2", "/data/filmsafar/x", "gs://data/films", "/other"]
)
def test_another_place_passes(external: str) -> None:
    refuse_data_root(external, "/data/films")
