"""A whole run over DICOM files that name somebody everywhere leaves nobody's name behind."""

from __future__ import annotations

import re

import pytest

from radiographs.pseudonyms import write_new_key
from tests.conftest import SMALL
from tests.planted import PLANTED, found_in, write_planted_tree
from tests.support import LocalRun, run_local, settings

FILMS = 60

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", name="run")
def run_over_planted_films(tmp_path_factory: pytest.TempPathFactory) -> LocalRun:
    """A run whose model is pushed, with everything that it writes below one folder."""
    folder = tmp_path_factory.mktemp("planted")
    root, key = folder / "tree", folder / "pseudonym.key"
    write_planted_tree(root, FILMS)
    write_new_key(key)
    (folder / "written" / "tmp").mkdir(parents=True)
    own = settings(
        data__pseudonym_key_file=key,
        data__max_quarantine_fraction=0.5,
        data__min_eval_films_per_class=1,
        tuner__enabled="false",
        train__epochs=1,
        train__segmentation_steps=1,
        network__segmentation="true",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder / "written" / "tmp"))
        patch.setattr("tempfile.tempdir", None)  # read anew
        run = run_local(folder / "written" / "work", "--data-root", str(root), *SMALL, *own)
    assert run.status == 0, run.terminal
    return run


def test_nothing_planted_is_written(run: LocalRun) -> None:
    assert found_in(run.work.path.parent) == []


def test_nothing_planted_is_told(run: LocalRun) -> None:
    assert not PLANTED.search(run.terminal.encode())


def test_lesions_were_learnt_from_planted_masks(run: LocalRun) -> None:
    assert re.search(r"lesions: learnt from \d+ films with a mask", run.log)
