"""Films that have moved stop a run, until a person says why they are right."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest
from tfx.components.transform.executor import Executor as TransformExecutor

from tests.support import LocalRun, run_local, write_films

EXIT_FAILED, EXIT_USAGE, EXIT_DATA = 1, 2, 3
FILMS_OF_A_CLASS = 40
REASON = "new detector; checked by physics"


@pytest.fixture(scope="module", name="runs")
def run_one_after_another(tmp_path_factory: pytest.TempPathFactory) -> dict[str, LocalRun]:
    """Runs over films, darker ones, these with a reason, and again; Transform ends each."""
    folder = tmp_path_factory.mktemp("drift")
    for name, factor in (("bright", 1.0), ("dark", 0.6)):
        for seed, label in enumerate(("NORMAL", "PNEUMONIA")):
            write_films(folder / name, label, FILMS_OF_A_CLASS, first_seed=100 * seed)
        for file in (folder / name).rglob("*.png"):
            film = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
            cv2.imwrite(str(file), (film * factor).astype(film.dtype))

    def run(name: str, *further: str) -> LocalRun:
        given = ("--preset", "demo", "--data-root", str(folder / name))
        return run_local(folder / "work", *given, *further)

    def stop(*_: object) -> None:
        raise RuntimeError("the gate is passed")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransformExecutor, "Do", stop)
        return {
            "first": run("bright"),
            "drifted": run("dark"),
            "accepted": run("dark", "--accept-data", REASON),
            "again": run("dark"),
        }


def test_a_first_run_is_compared_with_nothing(runs: dict[str, LocalRun]) -> None:
    assert runs["first"].status == EXIT_FAILED
    assert "the gate is passed" in runs["first"].text
    assert "no other data has been accepted before" in runs["first"].log


def test_drift_stops_the_run_as_bad_data_does(runs: dict[str, LocalRun]) -> None:
    run = runs["drifted"]
    assert run.status == EXIT_DATA
    sentence = "train, mean_intensity: the Jensen-Shannon divergence from the data accepted before"
    assert sentence in run.text
    assert "--accept-data REASON" in run.text
    assert "Traceback" not in run.terminal
    drift = json.loads((run.folder / "drift.json").read_text(encoding="utf-8"))
    assert {one["feature"] for one in drift["distances"] if one["exceeded"]} == {"mean_intensity"}


def test_a_reason_takes_it_past_the_gate(runs: dict[str, LocalRun]) -> None:
    for name in ("accepted", "again"):
        assert runs[name].status == EXIT_FAILED
        assert "the gate is passed" in runs[name].text
        report = json.loads((runs[name].uri("DataGate", "report") / "drift.json").read_text())
        assert report["accepted"] == REASON


@pytest.mark.parametrize("reason", ["", "  "])
def test_an_empty_reason_is_none(tmp_path: Path, reason: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        run_local(tmp_path / "work", "--accept-data", reason)
    assert not (tmp_path / "work").exists()
