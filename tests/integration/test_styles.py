"""Styles through the real ingest and the real gate: what is written, held out and remembered."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tensorflow as tf
from tfx import v1 as tfx
from tfx.types import standard_artifacts

from components.artifacts import ModelAudit
from components.audit_gate.component import AuditGate
from components.radiograph_example_gen.component import RadiographExampleGen
from models import features
from models.audit_settings import AuditFloors
from radiographs.options import IngestOptions
from radiographs.styles import describe_surroundings, find_styles
from tests.support import encode, read_examples, run_components
from tests.unit.components.audit_gate.test_gates import FINDINGS

# Films of a style and label. A patient has two; one film of patient 0 is of the other style.
COUNTS = {("noisy", "NORMAL"): 30, ("noisy", "PNEUMONIA"): 20,
          ("smooth", "NORMAL"): 24, ("smooth", "PNEUMONIA"): 50}  # fmt: skip
SPREAD = {"noisy": 25, "smooth": 2}


def draw_graded(root: Path, least: float, most: float, films: int) -> None:
    """Writes films of as many noises as there are films, so that styles have no gap between."""
    rng = np.random.default_rng(1)
    for number, spread in enumerate(np.linspace(least, most, films)):
        folder = root / features.LABELS[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        smooth = cv2.resize(rng.uniform(60, 190, (4, 4)), (96, 96))
        film = (smooth + spread * rng.standard_normal((96, 96))).round().clip(0, 255)
        (folder / f"child{number}.png").write_bytes(encode(film.astype(np.uint8)))


def ingest_report(folder: Path, films: Path, options: IngestOptions) -> dict[str, Any]:
    """The account of an ingest, which has to be JSON that every reader takes."""
    outputs = run_components(folder, RadiographExampleGen(str(films), options))
    text = (Path(outputs["RadiographExampleGen", "report"].uri) / "ingest.json").read_text()
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def draw_styles(root: Path) -> dict[str, str]:
    """Writes films; returns the style by name of the file."""
    rng = np.random.default_rng(0)
    styles = {}
    for (style, label), count in COUNTS.items():
        (root / label).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            odd = style == "noisy" and number == 0
            smooth = cv2.resize(rng.uniform(60, 190, (4, 4)), (96, 96))
            spread = SPREAD["smooth" if odd else style]
            film = (smooth + spread * rng.standard_normal((96, 96))).round().clip(0, 255)
            name = f"{label.lower()}{style}{number // 2}_{number % 2}.png"
            (root / label / name).write_bytes(encode(film.astype(np.uint8)))
            styles[name] = "smooth" if odd else style
    (root / "NORMAL" / "broken.png").write_bytes(encode(film.astype(np.uint8))[:300])
    return styles


@pytest.fixture(scope="module", name="ingested")
def ingest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Examples, report and the truth of an ingest that splits by style."""
    folder = tmp_path_factory.mktemp("styles")
    truth = draw_styles(folder / "films")
    options = IngestOptions(split="style", test_styles=(1,), patient_pattern=r"^(\w+)_\d")
    component = RadiographExampleGen(str(folder / "films"), options)
    outputs = run_components(folder / "run", component)
    report = Path(outputs[("RadiographExampleGen", "report")].uri)
    uri = Path(outputs[("RadiographExampleGen", "examples")].uri)
    rows = []
    for split in features.SPLITS:
        for serialised in read_examples(uri, split):
            known = tf.train.Example.FromString(serialised).features.feature
            (style,) = known[features.STYLE].bytes_list.value
            (patient,) = known[features.PATIENT_ID].bytes_list.value
            (label,) = known[features.LABEL].bytes_list.value
            rows.append((split, style.decode(), patient.decode(), label.decode()))
    return {"truth": truth, "report": report, "rows": rows}


class TestIngest:
    def test_every_film_has_the_style_it_was_drawn_in(self, ingested: dict[str, Any]) -> None:
        found = Counter(style for _, style, _, _ in ingested["rows"])
        drawn = Counter(ingested["truth"].values())
        assert found == {"1": drawn["noisy"], "2": drawn["smooth"]}

    def test_the_style_is_held_out_whole_and_no_patient_is_divided(
        self, ingested: dict[str, Any]
    ) -> None:
        rows = ingested["rows"]
        assert {split for split, style, _, _ in rows if style == "1"} == {features.TEST}
        splits = {patient: {s for s, _, p, _ in rows if p == patient} for _, _, patient, _ in rows}
        assert all(len(of_patient) == 1 for of_patient in splits.values())
        # Two patients have a film of the other style, which goes with them.
        assert [style for split, style, _, _ in rows if split == features.TEST].count("2") == 2
        for split in features.SPLITS:
            assert {label for one, _, _, label in rows if one == split} == set(features.LABELS)

    def test_the_report_counts_and_shows_them(self, ingested: dict[str, Any]) -> None:
        report = json.loads((ingested["report"] / "ingest.json").read_text(encoding="utf-8"))
        assert report["styles"] == [
            {"style": "1", "films": 48, "NORMAL": 29, "PNEUMONIA": 19},
            {"style": "2", "films": 76, "NORMAL": 25, "PNEUMONIA": 51},
        ]
        assert report["style_agreement"] == 1  # nothing lies between the two
        assert report["rejected"] == 1
        assert any("test holds all 48 films of style 1, and 2 other" in n for n in report["notes"])
        shown = cv2.imread(str(ingested["report"] / "styles.png"), cv2.IMREAD_GRAYSCALE)
        assert shown.shape[0] == 2 * 128
        shown = shown[:, -8 * 128 :]  # beside the names of the styles
        roughness = [np.abs(np.diff(row.astype(int), axis=0)).mean() for row in np.vsplit(shown, 2)]
        assert roughness[0] > 4 * roughness[1]
        assert not list(ingested["report"].glob("*.jsonl"))


def test_the_agreement_of_halves_is_that_of_the_films(tmp_path: Path) -> None:
    films = tmp_path / "films"
    draw_graded(films, 2, 30, 100)
    report = ingest_report(tmp_path / "run", films, IngestOptions(seed=4))
    described = {
        str(path.relative_to(films)): describe_surroundings(cv2.imread(str(path), 0))
        for path in films.glob("*/*.png")
    }
    agreement = find_styles(described, 4).agreement
    assert len(report["styles"]) > 1
    assert report["style_agreement"] == pytest.approx(agreement)
    assert 0.75 <= agreement < 0.999


def test_one_style_has_no_agreement(tmp_path: Path) -> None:
    draw_graded(tmp_path / "films", 9, 10, 40)
    report = ingest_report(tmp_path / "run", tmp_path / "films", IngestOptions())
    assert [row["films"] for row in report["styles"]] == [40]
    assert report["style_agreement"] is None


def test_the_reason_of_a_blind_test_is_in_the_metadata_store(tmp_path: Path) -> None:
    kinds = standard_artifacts
    for name in ("audit", "model", "evaluated"):
        (tmp_path / name).mkdir()
    content = json.dumps(FINDINGS.to_json())
    (tmp_path / "audit" / "audit.json").write_text(content, encoding="utf-8")
    audit, model, evaluated = (
        tfx.dsl.Importer(str(tmp_path / name), kind, custom_properties=known).with_id(name)
        for name, kind, known in (
            ("audit", ModelAudit, None),
            ("model", kinds.Model, None),
            ("evaluated", kinds.ModelBlessing, {"blessed": 1}),
        )
    )
    gate = AuditGate(
        audit.outputs["result"], model.outputs["result"], evaluated.outputs["result"],
        floors=AuditFloors(min_swap_auc=0.8, accept_blind_test="pilot; a radiologist reads all"),
    )  # fmt: skip
    outputs = run_components(tmp_path / "run", audit, model, evaluated, gate)
    blessing = outputs[("AuditGate", "blessing")].custom_properties
    assert blessing["accepted_blind_test"].string_value == "pilot; a radiologist reads all"
    assert blessing["blessed"].int_value == 1
