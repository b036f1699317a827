"""Identifiers planted in tags, file names and the table of labels are nowhere written."""

from __future__ import annotations

import csv
import io
import json
import logging
import stat
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from tfx import v1 as tfx

from components.data_gate.component import DataGate
from components.radiograph_example_gen.component import RadiographExampleGen
from components.radiograph_example_gen.listing import read_layout
from models import features
from pipeline.locations import PACKAGED_SCHEMA
from radiographs.options import IngestOptions
from radiographs.pseudonym_keys import main as keys
from tests.planted import NAME, PLANTED, found_in, write_planted_tree
from tests.support import read_examples, run_components

FILMS = 24


@pytest.fixture(scope="module", name="root")
def make_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree of DICOM files."""
    root = tmp_path_factory.mktemp("tree")
    write_planted_tree(root, FILMS)
    return root


@pytest.fixture(scope="module", name="ingested")
def ingest(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What an ingest, its statistics and the gate wrote and said."""
    folder = tmp_path_factory.mktemp("work")
    key = tmp_path_factory.mktemp("key") / "pseudonym.key"
    assert keys(["--key-file", str(key), "new"]) == 0
    options = IngestOptions(
        pseudonym_key_file=str(key), max_quarantine_fraction=0.5, min_eval_films_per_class=1
    )
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    (folder / "tmp").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(folder / "tmp"))
        logging.getLogger().addHandler(handler)
        example_gen = RadiographExampleGen(str(root), options)
        examples = example_gen.outputs["examples"]
        schema = tfx.components.ImportSchemaGen(schema_file=str(PACKAGED_SCHEMA))
        statistics = tfx.components.StatisticsGen(
            examples=examples, schema=schema.outputs["schema"]
        )
        gate = DataGate(examples, statistics.outputs["statistics"], schema.outputs["schema"])
        outputs = run_components(folder, example_gen, schema, statistics, gate)
        logging.getLogger().removeHandler(handler)
    report = Path(outputs["RadiographExampleGen", "report"].uri)
    return {
        "folder": folder,
        "outputs": outputs,
        "log": log.getvalue(),
        "report": report,
        "key": key,
    }


def rows_of(ingested: dict[str, Any], name: str) -> list[list[str]]:
    text = (ingested["report"] / name).read_text(encoding="utf-8")
    return list(csv.reader(io.StringIO(text)))[1:]


def test_nothing_planted_is_written(ingested: dict[str, Any]) -> None:
    assert found_in(ingested["folder"]) == []


def test_nothing_planted_is_logged(ingested: dict[str, Any]) -> None:
    assert not PLANTED.search(ingested["log"].encode())


def test_the_search_finds_what_is_there(root: Path) -> None:
    assert len(found_in(root)) > FILMS


def test_every_film_arrives_with_what_its_tags_say(ingested: dict[str, Any]) -> None:
    uri = Path(ingested["outputs"]["RadiographExampleGen", "examples"].uri)
    films = [
        tf.train.Example.FromString(one).features.feature
        for split in features.SPLITS
        for one in read_examples(uri, split)
    ]
    assert len(films) == FILMS
    assert len({film["patient_id"].bytes_list.value[0] for film in films}) == FILMS // 2
    first = films[0]
    assert first["source_format"].bytes_list.value[0] == b"DICOM"
    assert first["view"].bytes_list.value[0] == b"PA"
    assert first["age_years"].int64_list.value[0] == 54
    assert first["manufacturer"].bytes_list.value[0] == b"other"
    assert {film["study_day"].int64_list.value[0] for film in films} == {0, 1}


def test_every_other_file_has_a_reason(ingested: dict[str, Any]) -> None:
    reasons = sorted(reason.partition(":")[0] for _, reason in rows_of(ingested, "ignored.csv"))
    assert reasons == [
        "no DICOM file",
        "no DICOM file",
        "no chest by its tags",
        "no row in labels.csv",
        "row without a DICOM film of its accession number",
    ]
    quarantined = rows_of(ingested, "quarantine.csv")
    assert all(path.startswith("dicom/") for path, _ in quarantined)
    assert all("bytes of pixels are there" in reason for _, reason in quarantined)
    report = json.loads((ingested["report"] / "ingest.json").read_text(encoding="utf-8"))
    assert (report["layout"], report["rejected"]) == ("dicom", 2)


def test_who_has_the_key_finds_the_file(
    root: Path, ingested: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    for path, _ in rows_of(ingested, "quarantine.csv"):
        assert keys(["--key-file", str(ingested["key"]), "find", str(root), path]) == 0
    found = sorted(capsys.readouterr().out.splitlines())
    assert found == [f"{NAME} cut.dcm", f"{NAME} short.dcm"]


def test_pseudonyms_last_as_long_as_the_key(root: Path, ingested: dict[str, Any]) -> None:
    key = str(ingested["key"])
    options = IngestOptions(pseudonym_key_file=key)
    before = read_layout(str(root), options).films
    assert read_layout(str(root), options).films == before
    assert keys(["--key-file", key, "rotate"]) == 0
    assert stat.S_IMODE(Path(key).stat().st_mode) == 0o600
    after = read_layout(str(root), options).films
    assert {film.patient_id for film in before}.isdisjoint(film.patient_id for film in after)
    assert {film.path for film in before}.isdisjoint(film.path for film in after)
