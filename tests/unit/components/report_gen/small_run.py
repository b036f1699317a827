"""A run drawn in a second: artifacts as the components write them, with hostile names in them."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from tensorflow_metadata.proto.v0 import statistics_pb2

from components.evaluation.decisions import DECISION as DECISION_OUTPUT
from components.explanation_gen.index import ExplainedFilm, write_index
from components.report_gen import sources as of
from components.report_gen.sources import Source
from metrics.estimates import estimate
from metrics.scores import Scores
from models import features
from models.audit_settings import Evaluation
from models.hyperparameters import Hyperparameters, Train
from tests.support import draw_film, encode
from tests.unit.components.evaluation.tfma_result import evaluate

HOSTILE = "</script><img src=x onerror=alert(1)>"
FILMS, PATIENTS = 120, 50
THRESHOLD = 0.45
GATES = Evaluation(
    min_auc=0.7, min_recall=0.5, min_specificity=0.5, min_slice_positives=5, min_slice_negatives=5
)
NOT_JUDGED = 3  # the last films
DOUBTFUL_FILM = "films/0001.jpg"
EXPLAINED, WRONG = 12, 4  # films; so many of them were called wrongly


def draw_predictions() -> pd.DataFrame:
    """Returns what the Auditor would write: probabilities to six digits, the last ones missing."""
    random = np.random.default_rng(3)
    ill = random.random(FILMS) < 0.6
    logit = random.normal(np.where(ill, 1.2, -1.2), 1.2)
    probability = np.round(1 / (1 + np.exp(-logit)), 6)
    probability[-NOT_JUDGED:] = np.nan
    called = np.where(probability >= THRESHOLD, features.PNEUMONIA, features.NORMAL)
    return pd.DataFrame(
        {
            "sha256": [f"{number:064x}" for number in range(FILMS)],
            "patient_id": [f"p{random.integers(PATIENTS)}" for _ in range(FILMS)],
            "label": np.where(ill, features.PNEUMONIA, features.NORMAL),
            "subtype": np.where(ill, "bacteria", "none"),
            "probability": probability,
            "predicted_label": np.where(np.isnan(probability), "", called),
            "answer": np.where(np.isnan(probability), "", called),
            "out_of_distribution": random.random(FILMS),
        }
    )


def explained_rows(films: pd.DataFrame) -> pd.DataFrame:
    """Returns the films of the gallery, wrong ones first.

    Args:
        films: Of `draw_predictions`.
    """
    judged = films[films["probability"].notna()]
    wrong = judged["label"] != judged["predicted_label"]
    return pd.concat([judged[wrong].head(WRONG), judged[~wrong].head(EXPLAINED - WRONG)])


def write_run(folder: Path) -> dict[str, Source]:
    """Writes all artifacts of a run that was pushed.

    Args:
        folder: Each artifact has a folder of its own in it.

    Returns:
        The sources of a report.
    """
    films = draw_predictions()
    uris = {name: folder / name for name in of.NAMES}
    for path in uris.values():
        path.mkdir(parents=True)
    _write_data(uris)
    _write_training(uris)
    _write_audit(uris, films)
    _write_label_audit(uris[of.LABEL_AUDIT])
    _evaluate(films, uris[of.EVALUATION])
    write_index(_explain(films, uris[of.EXPLANATIONS]), str(uris[of.EXPLANATIONS]))
    properties: dict[str, dict[str, int | str]] = {
        of.EVALUATOR_BLESSING: {"blessed": 1},
        of.BLESSING: {"blessed": 1},
        of.INFRA_BLESSING: {"blessed": 1},
        of.PUSHED_MODEL: {"pushed": 1, "pushed_version": "42"},
    }
    return {name: Source(str(path), properties.get(name, {})) for name, path in uris.items()}


def _write_data(uris: dict[str, Path]) -> None:
    ingest = {
        "layout": "manifest",
        "pseudonyms": False,
        "images": {"train": 400, "eval": 80, "test": FILMS},
        "patients": {"train": 200, "eval": 40, "test": PATIENTS},
        "sites": {HOSTILE: {"train": 300, "eval": 61, "test": 7}, "coast": {"train": 100}},
        "rejected": 1,
        "ignored": 1,
        "ignored_reasons": {"text or table": 1},
        "ignored_folders": {f"{HOSTILE}/x": 1},
        "notes": [f"column {HOSTILE}"],
        "styles": [
            {"style": "1", "films": 10, "NORMAL": 4, "PNEUMONIA": 6},
            {"style": "2", "films": 10, "NORMAL": 5, "PNEUMONIA": 5},
        ],
        "style_agreement": 0.8125,
    }
    _json(uris[of.INGEST] / "ingest.json", ingest)
    (uris[of.INGEST] / "quarantine.csv").write_text(f"path,reason\n{HOSTILE}.png,blank\n")
    (uris[of.INGEST] / "ignored.csv").write_text("path,reason\nnotes.txt,text or table\n")
    (uris[of.INGEST] / "styles.png").write_bytes(encode(draw_film(1)))
    _json(uris[of.DATA_GATE] / "anomalies.json", [])
    _json(uris[of.DATA_GATE] / "drift.json", {"notes": ["nothing to compare with"]})
    for split in features.SPLITS:
        file = uris[of.STATISTICS] / f"Split-{split}" / "FeatureStats.pb"
        file.parent.mkdir()
        file.write_bytes(_statistics().SerializeToString())


def _statistics() -> statistics_pb2.DatasetFeatureStatisticsList:
    statistics = statistics_pb2.DatasetFeatureStatisticsList()
    dataset = statistics.datasets.add(num_examples=10)
    for name, values in (("label", {"NORMAL": 4, "PNEUMONIA": 6}), ("site", {HOSTILE: 10})):
        feature = dataset.features.add(type=statistics_pb2.FeatureNameStatistics.STRING)
        feature.path.step.append(name)
        for label, count in values.items():
            feature.string_stats.rank_histogram.buckets.add(label=label, sample_count=count)
    for name, edges in (("age_years", [0, 40, 80]), ("width_px", [256, 256])):
        feature = dataset.features.add(type=statistics_pb2.FeatureNameStatistics.INT)
        feature.path.step.append(name)
        histogram = feature.num_stats.histograms.add()
        for low, high in itertools.pairwise(edges):
            histogram.buckets.add(low_value=low, high_value=high, sample_count=5)
    return statistics


def _write_training(uris: dict[str, Path]) -> None:
    settings = Hyperparameters(train=Train(epochs=2)).model_dump()
    record = {
        "hyperparameters": {**settings, "train": {**settings["train"], "note": HOSTILE}},
        "operating_point": {"threshold": THRESHOLD, "sensitivity": 0.9, "specificity": 0.8},
        "parameters": 1234,
        "history": [
            {"epoch": one, "loss": 0.7 - one / 10, "auc": 0.6, "val_auc": 0.7} for one in range(2)
        ],
    }
    _json(uris[of.MODEL_RUN] / "training.json", record)
    trials = [{"trial_id": "00", "score": 0.4, "x": HOSTILE}, {"trial_id": "01", "score": 0.5}]
    _json(uris[of.TUNER_RESULTS] / "tuner_results.json", trials)


def _write_audit(uris: dict[str, Path], films: pd.DataFrame) -> None:
    films.to_csv(uris[of.AUDIT] / "predictions.csv", index=False)
    judged = films[films["probability"].notna()]
    reached = estimate(
        Scores(
            judged["patient_id"].to_numpy(),
            (judged["label"] == features.PNEUMONIA).to_numpy(int),
            judged["probability"].to_numpy(),
            (judged["predicted_label"] == features.PNEUMONIA).to_numpy(int),
        ),
        100,
    )
    row: dict[str, Any] = {
        "films": reached.films, "patients": reached.patients, "positives": reached.positives,
        "metrics": {
            name: None if math.isnan(value) else value for name, value in reached.metrics.items()
        },
        "intervals": reached.intervals,
    }  # fmt: skip
    plain = {name: row["metrics"][name] for name in ("auc", "recall", "specificity")}
    shift = {
        "films": 9, "left_out": 0, **plain,
        **{f"{name}_interval": row["intervals"][name] for name in plain},
        **{f"{name}_change": 0.0 for name in plain}, "changes_input": True, "input_change": 3.0,
    }  # fmt: skip
    control = {"auc": 0.6, "auc_interval": [0.5, 0.7], "margin": 0.3, "margin_interval": [0.2, 0.4]}
    audit = {
        "model": {**row, "unscored": {"blank": NOT_JUDGED}, "subtype_auc": None,
                  "subtype_auc_interval": None, "abstention": None},
        "slices": {"overall": row},
        "shifts": [{"name": "unchanged", **shift}, {"name": "blur", **shift}],
        "external": {"root": f"/films/{HOSTILE}", "rejected": 0, "abstention": None, **row},
        "controls": [{"name": "outer frame", **control}],
        "frame_swaps": {
            "left_out": 0, "films": 9, "rows": [{"name": "own frame", **row}],
            "controls": [{"name": "outer frame", **control}],
        },
    }  # fmt: skip
    _json(uris[of.AUDIT] / "audit.json", audit)
    (uris[of.AUDIT] / "frame_swaps.png").write_bytes(encode(draw_film(2)))
    verdict = {
        "slice": "control=outer frame", "metric": "AUC margin", "value": 0.3, "bound": 0.2,
        "passed": True, "why": f"AUC margin on {HOSTILE} is 0.3", "accepted": "",
    }  # fmt: skip
    _json(uris[of.VERDICTS] / "verdicts.json", [verdict])


def _write_label_audit(folder: Path) -> None:
    row = {
        "path": f"{HOSTILE}.png", "sha256": "0" * 64, "split": "train", "site": HOSTILE,
        "style": "1", "given_label": "NORMAL", "suggested_label": "PNEUMONIA",
        "label_quality": 0.0421, "doubtful": True, "picture": DOUBTFUL_FILM,
    }  # fmt: skip
    audit = {
        "reason": "", "weak": False, "films": 600, "patients": 290, "left_out": 0,
        "agreement": 0.951,
        "doubtful": 7, "classes": list(features.LABELS),
        "given": {"NORMAL": 250, "PNEUMONIA": 350},
        "estimated_errors": {"NORMAL": 5, "PNEUMONIA": 3}, "joint": [[245, 5], [3, 347]],
        "shown": [row, {**row, "path": "", "picture": "", "doubtful": False}],
    }  # fmt: skip
    _json(folder / "label_audit.json", audit)
    (folder / DOUBTFUL_FILM).parent.mkdir()
    (folder / DOUBTFUL_FILM).write_bytes(encode(draw_film(3), ".jpg"))


def _evaluate(films: pd.DataFrame, folder: Path) -> None:
    judged = films[films["probability"].notna()]
    table = pd.DataFrame(
        {
            features.LABEL_XF: (judged["label"] == features.PNEUMONIA).astype(float),
            features.PROBABILITY: judged["probability"],
            DECISION_OUTPUT: (judged["probability"] >= THRESHOLD).astype(float),
        }
    )
    for name in features.SLICES:
        table[name] = "a"
    table[features.SITE] = np.where(np.arange(len(table)) % 2, HOSTILE, "near")
    # One class alone, as a slice can have.
    table[features.SUBTYPE] = judged["subtype"]
    evaluate(table, GATES, folder)


def _explain(films: pd.DataFrame, folder: Path) -> list[ExplainedFilm]:
    explained = []
    for number, row in explained_rows(films).iterrows():
        for kind, film in enumerate(("film", "heat", "maps")):
            picture = cv2.cvtColor(draw_film(int(number) + kind), cv2.COLOR_GRAY2BGR)
            (folder / f"{number}_{film}.png").write_bytes(encode(picture))
        ill, called = row["label"] == "PNEUMONIA", row["predicted_label"] == "PNEUMONIA"
        outcome = ("TP" if ill else "FP") if called else ("FN" if ill else "TN")
        explained.append(
            ExplainedFilm(
                sha256=row["sha256"], patient_id=HOSTILE, label=row["label"],
                forced_label=row["predicted_label"], answer=row["answer"],
                probability=row["probability"], quality="ok", out_of_distribution=0.5,
                outcome=outcome, reasons=(f"because {HOSTILE}",),
                slices={"view": "PA" if int(number) % 2 else "AP", "site": HOSTILE},
                boxes=((0.25, 0.5, 0.75, 1.0),), box_scores=(0.8,), lung_opacity=(0.1, 0.2),
                film=f"{number}_film.png", heat=f"{number}_heat.png",
                feature_maps=f"{number}_maps.png",
            )
        )  # fmt: skip
    last, before = explained[-1], explained[-2]
    return [
        *explained[:-2],
        replace(before, film="", heat="", feature_maps=""),
        replace(last, probability=math.nan, outcome="", forced_label="", quality="blank"),
    ]


def _json(file: Path, content: Any) -> None:
    file.write_text(json.dumps(content), encoding="utf-8")
