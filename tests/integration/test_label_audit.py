"""The label audit of a run: every film by name, prepared in one way, a list that a run takes."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import tensorflow_transform as tft

from components.label_auditor.audit import LabelAudit
from components.label_auditor.description import LENGTH
from components.label_auditor.files import (
    read_label_audit,
    read_pictures,
    write_label_audit,
)
from components.label_auditor.films import RunFilms
from components.radiograph_example_gen.executor import film_files, plan_ingest
from components.radiograph_example_gen.film_list import read_film_list
from components.report_gen.label_words import label_lines
from models import features
from radiographs.excluded import EXCLUDED
from radiographs.options import IngestOptions
from tests.support import LocalRun


@pytest.fixture(scope="module", name="rows")
def read_list(pushed: LocalRun) -> pd.DataFrame:
    """The list in the folder of the run."""
    file = pushed.folder / "label_audit.csv"
    return pd.read_csv(file, dtype={"style": str}, keep_default_na=False)


@pytest.fixture(scope="module", name="manifest")
def read_manifest(pushed: LocalRun) -> dict[str, dict[str, str]]:
    """Rows of the phantoms' manifest by path."""
    with (pushed.work.phantoms / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return {row["path"]: row for row in csv.DictReader(file)}


def of_run(pushed: LocalRun, *transformed: str) -> RunFilms:
    """Returns the films of the run, some splits of them as Transform wrote them."""
    examples, prepared = (
        pushed.uri(component, output)
        for component, output in (
            ("RadiographExampleGen", "examples"),
            ("Transform", "transformed_examples"),
        )
    )
    return RunFilms(
        {split: [f"{examples}/Split-{split}"] for split in features.SPLITS},
        {split: [f"{prepared}/Split-{split}"] for split in transformed},
        tft.TFTransformOutput(str(pushed.uri("Transform", "transform_graph"))),
        read_film_list(str(pushed.uri("RadiographExampleGen", "report"))),
    )


def test_every_film_is_listed_by_its_file(
    rows: pd.DataFrame, manifest: dict[str, dict[str, str]], pushed: LocalRun
) -> None:
    assert sorted(rows["path"]) == sorted(manifest)
    for row in rows.to_dict("records"):
        content = (pushed.work.phantoms / row["path"]).read_bytes()
        assert row["sha256"] == hashlib.sha256(content).hexdigest()
        assert (row["given_label"], row["site"]) == (
            manifest[row["path"]]["label"], manifest[row["path"]]["site"],
        )  # fmt: skip
    assert rows["split"].value_counts().to_dict() == pushed.summary["data"]["images"]
    assert rows["label_quality"].is_monotonic_increasing
    names = [f"probability_{label.lower()}" for label in features.LABELS]
    assert rows[names].sum(axis=1).to_numpy() == pytest.approx(np.ones(len(rows)), abs=1e-4)


def test_no_patient_is_named(rows: pd.DataFrame) -> None:
    assert list(rows) == [
        "path", "sha256", "split", "site", "style", "given_label", "suggested_label",
        "label_quality", "doubtful", "probability_normal", "probability_pneumonia",
    ]  # fmt: skip


def test_what_transform_wrote_is_described_as_what_its_graph_makes(pushed: LocalRun) -> None:
    written, made = of_run(pushed, features.TRAIN, features.EVAL), of_run(pushed)
    facts = written.facts()
    described = written.descriptions(facts)
    assert described.shape == (len(facts), LENGTH)
    np.testing.assert_array_equal(described, made.descriptions(facts))
    assert len(np.unique(described, axis=0)) == len(facts)


def test_run_page_and_terminal_tell_the_same(pushed: LocalRun, rows: pd.DataFrame) -> None:
    told = pushed.summary["label_audit"]
    assert told["films"] == len(rows)
    assert told["doubtful"] == rows["doubtful"].sum()
    assert told["agreement"] == np.mean(rows["given_label"] == rows["suggested_label"])
    (line,) = label_lines(told)
    assert line in pushed.text
    report = json.loads((pushed.uri("ReportGen", "report") / "report.json").read_text())
    shown = report["label_audit"]["shown"]
    assert [row["path"] for row in shown] == rows["path"].head(0 if told["weak"] else 24).tolist()
    page = (pushed.folder / "report" / "index.html").read_text(encoding="utf-8")
    section = page.split('<section id="labels"')[1].split("</section>")[0]
    sentence = f"{line[0].upper()}{line[1:]}."
    assert (section.count("<img"), sentence in section) == (len(shown), True)


def test_pictures_are_of_the_films(pushed: LocalRun, tmp_path: Path) -> None:
    films = of_run(pushed)
    facts = films.facts()
    backwards = LabelAudit({"reason": ""}, facts.iloc[::-1])
    write_label_audit(backwards, films, 3, str(tmp_path))
    audit = read_label_audit(str(tmp_path))
    assert [row["path"] for row in audit["shown"]] == facts["path"].iloc[:-4:-1].tolist()
    pictures = read_pictures(str(tmp_path), audit)
    for row in audit["shown"]:
        grey = cv2.imread(str(pushed.work.phantoms / row["path"]), cv2.IMREAD_GRAYSCALE)
        drawn = cv2.imdecode(np.frombuffer(pictures[row["picture"]], np.uint8), 0)
        near = cv2.resize(drawn, grey.shape[::-1], interpolation=cv2.INTER_AREA)
        assert np.mean(np.abs(near.astype(float) - grey)) < 6


def test_rows_of_the_list_are_left_out_of_the_next_ingest(pushed: LocalRun, tmp_path: Path) -> None:
    header, *lines = (pushed.folder / "label_audit.csv").read_text(encoding="utf-8").splitlines()
    confirmed = tmp_path / "confirmed.csv"
    confirmed.write_text("\n".join([header, lines[0], lines[2]]), encoding="utf-8")
    options = IngestOptions(exclude_films=str(confirmed))
    layout, _ = plan_ingest(film_files(str(pushed.work.phantoms), options))
    gone = {path for path, reason in layout.ignored if reason == EXCLUDED}
    assert gone == {line.split(",")[0] for line in (lines[0], lines[2])}
