"""Our components as ordinary TFX components, where the shared run does not reach."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tfx import v1 as tfx

from components.model_validator.component import ModelValidator
from components.radiograph_example_gen.component import RadiographExampleGen
from models import features
from models.records import TRAINING_RECORD
from radiographs.decoding import sha256_of
from radiographs.options import IngestOptions
from tests.support import LocalRun, draw_film, encode, read_examples, run_components, write_films

UNUSABLE = {
    "NORMAL/clear.png": "parts of it are transparent; save it without an alpha channel",
    "NORMAL/empty.png": "the file is empty; copy it again from its source",
    "NORMAL/really a gif.jpeg": "the content is GIF, not JPEG, PNG or DICOM; convert it to PNG",
    "PNEUMONIA/point.png": "1 x 1 pixels is too small for a film; below data.min_side_px=64",
    "PNEUMONIA/truncated.jpeg": "the file is truncated or damaged (the end is missing); copy it "
    "again from its source",
}
UNUSUAL = (
    "NORMAL/16 bit.png", "NORMAL/mit Umläuten ÄÖÜ.png", "PNEUMONIA/肺炎 フィルム.jpeg",
    "PNEUMONIA/colour.jpeg", "NORMAL/cmyk.jpeg",
)  # fmt: skip
FILMS_OF_A_CLASS = 6


@pytest.fixture(scope="module", name="root")
def make_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ordinary films, unusual ones and unusable ones."""
    root = tmp_path_factory.mktemp("films")
    write_films(root, "NORMAL", FILMS_OF_A_CLASS)
    write_films(root, "PNEUMONIA", FILMS_OF_A_CLASS, first_seed=20)
    for path, content in _special_files():
        (root / path).write_bytes(content)
    (root / "notes.txt").write_text("not a film", encoding="utf-8")
    return root


def _special_files() -> Iterator[tuple[str, bytes]]:
    grey = draw_film(50)
    colour = cv2.cvtColor(draw_film(51), cv2.COLOR_GRAY2BGR)
    yield "NORMAL/cmyk.jpeg", _pillow(Image.fromarray(grey).convert("CMYK"), "JPEG")
    yield "NORMAL/clear.png", encode(np.dstack([colour, draw_film(55)]))
    yield "NORMAL/empty.png", b""
    yield "NORMAL/really a gif.jpeg", _pillow(Image.fromarray(grey), "GIF")
    yield "PNEUMONIA/point.png", encode(np.zeros((1, 1), np.uint8))
    yield "PNEUMONIA/truncated.jpeg", encode(grey, ".jpg")[:-200]
    yield "NORMAL/16 bit.png", encode(draw_film(52).astype(np.uint16) * 257)
    yield "NORMAL/mit Umläuten ÄÖÜ.png", encode(draw_film(53))
    yield "PNEUMONIA/肺炎 フィルム.jpeg", encode(draw_film(54), ".jpg")
    yield "PNEUMONIA/colour.jpeg", encode(colour, ".jpg")


def _pillow(image: Image.Image, kind: str) -> bytes:
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


class TestRadiographExampleGen:
    @pytest.fixture(scope="class", name="outputs")
    def ingest(
        self, root: Path, tmp_path_factory: pytest.TempPathFactory
    ) -> dict[tuple[str, str], Any]:
        """Its outputs over that root."""
        options = IngestOptions(max_quarantine_fraction=0.5)
        return run_components(
            tmp_path_factory.mktemp("ingest"), RadiographExampleGen(str(root), options)
        )

    def report(self, outputs: dict[tuple[str, str], Any], name: str) -> str:
        uri = outputs["RadiographExampleGen", "report"].uri
        return (Path(uri) / name).read_text(encoding="utf-8")

    def test_artifacts_have_types_and_splits(self, outputs: dict[tuple[str, str], Any]) -> None:
        assert {key[1]: artifact.type for key, artifact in outputs.items()} == {
            "examples": "Examples",
            "report": "components.IngestReport",
        }
        examples = outputs["RadiographExampleGen", "examples"]
        assert json.loads(examples.properties["split_names"].string_value) == list(features.SPLITS)

    def test_unusable_files_are_quarantined_with_the_reason(
        self, outputs: dict[tuple[str, str], Any]
    ) -> None:
        rows = list(csv.reader(io.StringIO(self.report(outputs, "quarantine.csv"))))
        assert rows == [["path", "reason"], *sorted([*pair] for pair in UNUSABLE.items())]

    def test_other_files_are_listed(self, outputs: dict[tuple[str, str], Any]) -> None:
        rows = list(csv.reader(io.StringIO(self.report(outputs, "ignored.csv"))))
        assert rows == [["path", "reason"], ["notes.txt", "not in a class folder"]]

    def test_films_are_listed_by_their_files(
        self, root: Path, outputs: dict[tuple[str, str], Any]
    ) -> None:
        rows = list(csv.DictReader(io.StringIO(self.report(outputs, "films.csv"))))
        assert len(rows) == 2 * FILMS_OF_A_CLASS + len(UNUSUAL)
        for row in rows:
            assert row["sha256"] == sha256_of((root / row["path"]).read_bytes())
            assert row["label"] == row["path"].split("/")[0]
        examples = outputs["RadiographExampleGen", "examples"].uri
        for split in features.SPLITS:
            listed = sum(row["split"] == split for row in rows)
            assert listed == len(read_examples(Path(examples), split))

    def test_every_file_is_accounted_for(
        self, root: Path, outputs: dict[tuple[str, str], Any]
    ) -> None:
        report = json.loads(self.report(outputs, "ingest.json"))
        usable = 2 * FILMS_OF_A_CLASS + len(UNUSUAL)
        assert sum(report["images"].values()) == sum(report["labels"].values()) == usable
        assert (report["rejected"], report["ignored"]) == (len(UNUSABLE), 1)
        assert report["ignored_reasons"] == {"not in a class folder": 1}
        assert report["ignored_folders"] == {"the data root itself": 1}
        files = sum(path.is_file() for path in root.rglob("*"))
        assert files == usable + report["rejected"] + report["ignored"]

    def test_unusual_files_are_films(self, root: Path, outputs: dict[tuple[str, str], Any]) -> None:
        uri = Path(outputs["RadiographExampleGen", "examples"].uri)
        digests = {
            tf.train.Example.FromString(one).features.feature["sha256"].bytes_list.value[0].decode()
            for split in features.SPLITS
            for one in read_examples(uri, split)
        }
        for paths, expected in ((UNUSUAL, True), (UNUSABLE, False)):
            for path in paths:
                assert (sha256_of((root / path).read_bytes()) in digests) is expected, path


class TestModelValidatorAndPusher:
    """A model whose training record says something else than the model does."""

    @pytest.fixture(scope="class", name="outputs")
    def validate_and_push(
        self, pushed: LocalRun, tmp_path_factory: pytest.TempPathFactory
    ) -> dict[tuple[str, str], Any]:
        """What both put out over imported artifacts of the shared run."""
        folder = tmp_path_factory.mktemp("validate")
        kinds = tfx.types.standard_artifacts
        imported = {
            "examples": _import(
                kinds.Examples,
                pushed.uri("RadiographExampleGen", "examples"),
                properties={"split_names": json.dumps(list(features.SPLITS))},
            ),
            "transform_graph": _import(
                kinds.TransformGraph, pushed.uri("Transform", "transform_graph")
            ),
            "model": _import(kinds.Model, pushed.uri("Trainer", "model")),
            "model_run": _import(kinds.ModelRun, _other_record(pushed, folder / "model_run")),
            "model_blessing": _import(
                kinds.ModelBlessing,
                pushed.uri("Evaluator", "blessing"),
                custom_properties={"blessed": 1},
            ),
        }
        channels = {
            name: node.with_id(f"import_{name}").outputs["result"]
            for name, node in imported.items()
        }
        blessed_by_evaluator = channels.pop("model_blessing")
        validator = ModelValidator(**channels)
        destination = tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory=str(folder / "serving"))
        )
        pusher = tfx.components.Pusher(
            model=channels["model"],
            model_blessing=blessed_by_evaluator,
            infra_blessing=validator.outputs["blessing"],
            push_destination=destination,
        )
        outputs = run_components(folder, *imported.values(), validator, pusher)
        assert not (folder / "serving").exists()
        return outputs

    def test_the_model_is_not_blessed(self, outputs: dict[tuple[str, str], Any]) -> None:
        blessing = outputs["ModelValidator", "blessing"]
        assert blessing.type == "InfraBlessing"
        assert blessing.custom_properties["blessed"].int_value == 0
        faults = (Path(blessing.uri) / "INFRA_NOT_BLESSED").read_text(encoding="utf-8")
        assert "predict_images differs from the training path by" in faults

    def test_the_model_is_not_pushed(self, outputs: dict[tuple[str, str], Any]) -> None:
        pushed_model = outputs["Pusher", "pushed_model"]
        assert pushed_model.custom_properties["pushed"].int_value == 0
        assert "pushed_version" not in pushed_model.custom_properties


def _import(kind: Any, uri: Path, **values: Any) -> Any:
    return tfx.dsl.Importer(source_uri=str(uri), artifact_type=kind, **values)


def _other_record(pushed: LocalRun, folder: Path) -> Path:
    """The Trainer's record, with a calibration that the model does not have."""
    source = pushed.uri("Trainer", "model_run")
    folder.mkdir()
    (folder / "model.keras").symlink_to(source / "model.keras")
    record = json.loads((source / TRAINING_RECORD).read_text(encoding="utf-8"))
    record["calibration"]["slope_above"] *= 2
    (folder / TRAINING_RECORD).write_text(json.dumps(record), encoding="utf-8")
    return folder
