"""Sites and spans through real components: ingest, statistics and the data gate, run by run.

A window of two spans rolls on as a third comes in. Ingest is answered by the cache unless the
window has changed, and the gate compares the films with those that were accepted before.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from tfx import v1 as tfx

from components.data_gate.component import DataGate
from components.radiograph_example_gen.component import RadiographExampleGen
from components.radiograph_example_gen.executor import SPANS
from models import features
from pipeline.accepted import LatestAcceptedStatistics
from pipeline.config import PipelineConfig
from pipeline.lineage import run_inputs, run_outputs
from pipeline.local import NamedDagRunner
from pipeline.locations import PACKAGED_SCHEMA, Locations
from pipeline.pipeline import _accepted
from tests.support import metadata_store, read_examples, states_of, write_films

SITES = ("city", "coast")
PATIENTS = 14  # of a class, site and span
CONFIG = PipelineConfig.model_validate(
    {"data": {"layout": "sites", "spans": "last:2", "near_duplicates": "ignore"}}
)

Patients = dict[str, set[str]]  # by split


@dataclass
class Runs:
    """A data root, and the runs over it.

    Attributes:
        folder: Of everything.
        patients: Of each split, by run.
        states: Of each component, by run.
    """

    folder: Path
    patients: dict[str, Patients] = field(default_factory=dict)
    states: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        return self.folder / "films"

    @property
    def metadata(self) -> Path:
        return self.folder / "metadata.sqlite"

    def add_span(self, number: int) -> None:
        for place, site in enumerate(SITES):
            for kind, label in enumerate(features.LABELS):
                folder = self.root / f"span-{number}" / site
                write_films(folder, label, PATIENTS, 10_000 * number + 1000 * place + 100 * kind)
                # Half of the patients come back in the next span, under the same ids at both sites.
                for patient, file in enumerate(sorted((folder / label).iterdir())):
                    file.rename(file.with_name(f"{label[0]}{patient + number * PATIENTS // 2}.png"))

    def run(self, name: str) -> None:
        locations = Locations(
            str(self.root), str(self.folder / "artifacts"), "", "", str(PACKAGED_SCHEMA)
        )
        nodes = _up_to_the_gate(locations)
        connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(
            str(self.metadata)
        )
        parts = tfx.dsl.Pipeline(
            pipeline_name="parts", pipeline_root=locations.pipeline_root, components=nodes,
            enable_cache=True, metadata_connection_config=connection,
        )  # fmt: skip
        NamedDagRunner(name, prepare=dict).run(parts)
        self.states[name] = states_of(metadata_store(self.metadata), name)
        uri = Path(self.output(name, "RadiographExampleGen", "examples").uri)
        self.patients[name] = {split: _patients(uri, split) for split in features.SPLITS}

    def output(self, name: str, component: str, output: str) -> Any:
        return run_outputs(self.metadata, name)[component, output]

    def json(self, name: str, component: str, output: str, file: str) -> Any:
        return json.loads((Path(self.output(name, component, output).uri) / file).read_text())


def _up_to_the_gate(locations: Locations) -> list[Any]:
    ingest = RadiographExampleGen(locations.data_root, CONFIG.data)
    examples = ingest.outputs["examples"]
    importer = tfx.components.ImportSchemaGen(schema_file=locations.schema_file)
    schema = importer.outputs["schema"]
    statistics = tfx.components.StatisticsGen(examples=examples, schema=schema)
    accepted = _accepted(LatestAcceptedStatistics, examples, locations)
    gate = DataGate(
        examples, statistics.outputs["statistics"], schema,
        previous_statistics=accepted.outputs["statistics"], accepted=accepted.outputs["report"],
    )  # fmt: skip
    return [ingest, importer, statistics, accepted, gate]


def _patients(uri: Path, split: str) -> set[str]:
    found = set()
    for one in read_examples(uri, split):
        known = tf.train.Example.FromString(one).features.feature
        site, patient = (
            known[name].bytes_list.value[0].decode()
            for name in (features.SITE, features.PATIENT_ID)
        )
        assert patient.startswith(f"{site}/")
        found.add(patient)
    return found


@pytest.fixture(scope="module", name="runs")
def roll_on(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Two spans; a third; then an old film of the first is touched."""
    runs = Runs(tmp_path_factory.mktemp("spans"))
    runs.add_span(1)
    runs.add_span(2)
    runs.run("first")
    runs.add_span(3)
    runs.run("rolled on")
    os.utime(next((runs.root / "span-1" / "city" / "NORMAL").iterdir()), (1, 1))
    runs.run("an old film touched")
    return runs


def test_examples_carry_the_span(runs: Runs) -> None:
    for name, span, spans in (("first", 2, "1,2"), ("rolled on", 3, "2,3")):
        known = runs.output(name, "RadiographExampleGen", "examples").custom_properties
        assert (known["span"].int_value, known[SPANS].string_value) == (span, spans)
        report = runs.json(name, "RadiographExampleGen", "report", "ingest.json")
        assert report["spans"] == [int(number) for number in spans.split(",")]
        assert sum(report["images"].values()) == 2 * 2 * 2 * PATIENTS
        assert set(report["sites"]) == set(SITES)


def test_every_site_is_in_every_split_with_patients_of_its_own(runs: Runs) -> None:
    for splits in runs.patients.values():
        ids: dict[str, set[str]] = defaultdict(set)
        for split, patients in splits.items():
            for patient in patients:
                site, _, number = patient.partition("/")
                ids[site].add(number)
            assert {patient.partition("/")[0] for patient in patients} == set(SITES), split
        assert ids["city"] == ids["coast"]


def test_nobody_who_taught_one_model_tests_the_next(runs: Runs) -> None:
    before, after = runs.patients["first"], runs.patients["rolled on"]
    nobody: set[str] = set()
    both = nobody.union(*before.values()) & nobody.union(*after.values())
    assert len(both) > PATIENTS
    for split in features.SPLITS:
        assert before[split] & both == after[split] & both


def test_the_new_window_is_read_anew_and_compared_with_the_one_before(runs: Runs) -> None:
    assert runs.states["rolled on"]["RadiographExampleGen"] == "COMPLETE"
    previous = run_inputs(runs.metadata, "rolled on")["DataGate", "previous_statistics"]
    assert previous.id == runs.output("first", "StatisticsGen", "statistics").id
    drift = runs.json("rolled on", "DataGate", "report", "drift.json")
    assert drift["previous_statistics"] == previous.uri
    assert {one["feature"] for one in drift["distances"]} >= {"site", "mean_intensity"}


def test_what_lies_outside_the_window_is_answered_by_the_cache(runs: Runs) -> None:
    states = runs.states["an old film touched"]
    assert states["RadiographExampleGen"] == states["DataGate"] == "CACHED"
