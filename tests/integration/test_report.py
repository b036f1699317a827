"""`python -m pipeline.report slices`, against scikit-learn on the pushed model's answers."""

from __future__ import annotations

import contextlib
import io
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from sklearn import metrics

from models import features
from pipeline import report
from tests.support import LocalRun, auc_bounds, read_examples

SLICES = ("subtype", "view", "sex", "age_band", "site", "style")


@pytest.fixture(scope="module", name="table")
def print_slices(repeated: LocalRun) -> str:
    """What the command prints for the latest run."""
    command = ["pipeline.report", "slices", "--workdir", str(repeated.work.path)]
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setattr(sys, "argv", command)
        patch.delitem(sys.modules, "pipeline.report")
        with pytest.raises(SystemExit) as done:
            runpy.run_module("pipeline.report", run_name="__main__")
    assert done.value.code == 0
    return printed.getvalue()


@pytest.fixture(scope="module", name="frame")
def read_csv(pushed: LocalRun, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The CSV file of the pushed run, by slice; written anew by the command."""
    file = pushed.folder / "report" / "slices.csv"
    file.unlink()
    assert report.main(["slices", f"--workdir={pushed.work.path}", f"--run={pushed.latest}"]) == 0
    return pd.read_csv(file).set_index("slice")


@pytest.fixture(scope="module", name="films")
def ask_pushed_model(pushed: LocalRun, served: Any) -> pd.DataFrame:
    """Truth, answers and slices of the test films."""
    uri = pushed.uri("RadiographExampleGen", "examples")
    serialised = read_examples(uri, features.TEST)
    answers = served.signatures[features.SERVING_DEFAULT](examples=tf.constant(serialised))
    raw = [tf.train.Example.FromString(one).features.feature for one in serialised]

    def column(name: str) -> list[str]:
        return [one[name].bytes_list.value[0].decode() for one in raw]

    ages = [one[features.AGE_YEARS].int64_list.value[0] for one in raw]
    bands = np.searchsorted(features.AGE_BAND_STARTS_YEARS, ages, "right")
    return pd.DataFrame(
        {
            "truth": [label == features.PNEUMONIA for label in column(features.LABEL)],
            "called": answers[features.PREDICTED_LABEL].numpy() == features.PNEUMONIA.encode(),
            "probability": answers[features.PROBABILITY].numpy(),
            "age_band": [features.AGE_BANDS[band] for band in bands],
            **{name: column(name) for name in SLICES if name != "age_band"},
        }
    )


def of_slice(films: pd.DataFrame, name: str) -> pd.DataFrame:
    feature, _, value = name.partition("=")
    return films if name == "overall" else films[films[feature] == value]


def test_csv_has_every_slice(frame: pd.DataFrame, films: pd.DataFrame) -> None:
    expected = {f"{name}={value}" for name in SLICES for value in films[name].unique()}
    assert set(frame.index) == {"overall", *expected}
    assert frame.index[0] == "overall"


def test_counts_and_rates_agree_with_scikit_learn(frame: pd.DataFrame, films: pd.DataFrame) -> None:
    for name, row in frame.iterrows():
        chosen = of_slice(films, str(name))
        truth, called = chosen["truth"], chosen["called"]
        tn, fp, fn, tp = metrics.confusion_matrix(truth, called, labels=[False, True]).ravel()
        assert (row["TP"], row["FP"], row["TN"], row["FN"]) == (tp, fp, tn, fn)
        assert (row["films"], row["pneumonia"]) == (len(chosen), truth.sum())
        expected = {
            "recall": metrics.recall_score(truth, called, zero_division=np.nan),
            "precision": metrics.precision_score(truth, called, zero_division=np.nan),
            "specificity": metrics.recall_score(~truth, ~called, zero_division=np.nan),
            "accuracy": metrics.accuracy_score(truth, called),
            "Brier": metrics.mean_squared_error(truth, chosen["probability"]),
        }
        for column, value in expected.items():
            assert row[column] == pytest.approx(value, abs=1e-5, nan_ok=True), (name, column)


def test_auc_counts_pairs_and_is_left_out_where_a_class_is_missing(
    frame: pd.DataFrame, films: pd.DataFrame
) -> None:
    compared = 0
    for name, row in frame.iterrows():
        chosen = of_slice(films, str(name))
        if chosen["truth"].nunique() == 2:
            low, high = auc_bounds(chosen["truth"], chosen["probability"])
            assert low <= row["AUC"] <= high, name
            compared += 1
        else:
            assert np.isnan(row["AUC"]), name
    assert compared > 1
    assert compared < len(frame)


def test_summary_has_the_same_numbers(frame: pd.DataFrame, pushed: LocalRun) -> None:
    told = pushed.summary["metrics"]
    for name, row in frame.iterrows():
        values = told["overall"] if name == "overall" else told["slices"][name]
        for column in ("AUC", "recall", "specificity", "ECE"):
            value = values[report.COLUMNS[column]]
            expected = np.nan if value is None else value
            assert row[column] == pytest.approx(expected, nan_ok=True)


def test_table_of_the_latest_run_shows_what_its_csv_says(table: str, repeated: LocalRun) -> None:
    folder = (repeated.work.runs / "latest").resolve() / "report"
    frame = pd.read_csv(folder / "slices.csv").set_index("slice")
    rows = {
        cells[1].strip(): cells for line in table.splitlines() if len(cells := line.split("│")) > 5
    }
    assert set(rows) == set(frame.index)
    for name, row in frame.iterrows():
        assert [int(cell) for cell in rows[str(name)][2:4]] == [row["films"], row["pneumonia"]]
        recall = rows[str(name)][5].split()[0]
        assert recall == ("-" if np.isnan(row["recall"]) else f"{row['recall']:.3f}")
    for file in (folder / "slices.csv", folder / "slices.html"):
        assert str(file) in "".join(table.split())


def test_a_work_directory_without_a_run_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report.main(["slices", "--workdir", str(tmp_path)]) == 1
    assert f"{tmp_path} has no evaluated run 'latest'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
