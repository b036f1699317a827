"""What Beam's workers find is what this process would find."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from tfx.dsl.io import fileio

from components.radiograph_example_gen.executor import film_files, plan_ingest
from components.radiograph_example_gen.on_workers import OnWorkers
from pipeline.beam import LOCAL_RUNNER
from radiographs import spread as module
from radiographs.options import IngestOptions
from radiographs.phantoms import write_phantoms
from radiographs.spread import Spread, here
from tests.ram import object_store

ALL_ASKED = IngestOptions(near_duplicates="join", stress_split="test", seed=3)
FILMS = 40
WHAT = "numbers squared"


def local_pipeline() -> beam.Pipeline:
    return beam.Pipeline(runner=LOCAL_RUNNER)


@pytest.fixture(name="workers")
def make_workers(tmp_path: Path) -> OnWorkers:
    (tmp_path / "results").mkdir()
    return OnWorkers(local_pipeline, str(tmp_path / "results"))


@pytest.fixture(scope="module", name="root")
def draw_films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films, two of them of the same bytes, one that is none and one that shows another again."""
    root = tmp_path_factory.mktemp("films")
    write_phantoms(root, films=FILMS, size_px=96, seed=0)
    normal = sorted((root / "NORMAL").iterdir())
    (root / "NORMAL" / "again.jpeg").write_bytes(normal[0].read_bytes())
    (root / "NORMAL" / "cut.jpeg").write_bytes(normal[1].read_bytes()[:100])
    return root


def squares(numbers: Sequence[int]) -> list[int]:
    return [number * number for number in numbers]


class TestWorkers:
    def test_results_are_in_the_order_of_the_items(self, workers: OnWorkers) -> None:
        numbers = list(range(100, 0, -1))
        assert workers(squares, numbers, WHAT) == here(squares, numbers, WHAT) == squares(numbers)

    def test_results_of_each_work_have_files_of_their_own(
        self, workers: OnWorkers, tmp_path: Path
    ) -> None:
        for first in (0, 1):
            workers(squares, range(first, 40 + first), WHAT)
        assert len(list((tmp_path / "results").iterdir())) == 2

    def test_results_that_do_not_come_back_are_said(
        self, workers: OnWorkers, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(fileio, "glob", lambda pattern: [])
        told = "numbers squared: 0 of 40 results came back through .*; every worker has to reach it"
        with pytest.raises(RuntimeError, match=told):
            workers(squares, range(40), WHAT)

    def test_a_few_items_need_no_engine(self, tmp_path: Path) -> None:
        def never() -> beam.Pipeline:
            raise AssertionError("no pipeline is needed")

        assert OnWorkers(never, str(tmp_path))(squares, range(32), WHAT) == squares(range(32))
        assert OnWorkers(never, str(tmp_path))(squares, [], WHAT) == []

    def test_what_is_done_is_told(
        self, workers: OnWorkers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(module, "_ITEMS_PER_MESSAGE", 64)
        with caplog.at_level("INFO", logger=module.__name__):
            workers(squares, range(100), WHAT)
        told = [one.message for one in caplog.records if one.name == module.__name__]
        assert told == ["64 of 100 numbers squared"]

    def test_results_go_through_a_remote_folder(self) -> None:
        with object_store():
            workers = OnWorkers(local_pipeline, "ram://bucket/tmp")
            assert workers(squares, range(40), WHAT) == squares(range(40))


class TestPlan:
    def planned(self, root: str, options: IngestOptions, spread: Spread) -> tuple[Any, ...]:
        _, plan = plan_ingest(film_files(root, options, spread=spread))
        return plan.split_of, plan.notes, plan.places

    @pytest.mark.parametrize(
        "options",
        [ALL_ASKED, IngestOptions()],
        ids=["all that can be asked", "digests"],
    )
    def test_is_the_same_as_in_this_process(
        self, root: Path, workers: OnWorkers, options: IngestOptions
    ) -> None:
        assert self.planned(str(root), options, workers) == self.planned(str(root), options, here)
