"""Drawn films that the tests of training share."""

from __future__ import annotations

import pytest

from models import features
from models.input_pipeline import TransformedFilms
from tests.unit.models.drawn_films import open_split, write_split


@pytest.fixture(scope="session", name="split_files")
def draw_splits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """File of train and of eval."""
    folder = tmp_path_factory.mktemp("drawn")
    return {
        features.TRAIN: write_split(folder, features.TRAIN, films=64, seed=0),
        features.EVAL: write_split(folder, features.EVAL, films=32, seed=1),
    }


@pytest.fixture(scope="session", name="drawn")
def open_splits(split_files: dict[str, str]) -> tuple[TransformedFilms, TransformedFilms]:
    """Train and eval."""
    return open_split(split_files[features.TRAIN]), open_split(split_files[features.EVAL])
