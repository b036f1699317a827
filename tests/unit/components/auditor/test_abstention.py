"""What a model does not answer, against counts by hand and a fake whose answers are known."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from components.auditor.abstention import Abstention, abstention_of
from components.auditor.findings import ExternalSite, Findings
from components.auditor.scoring import score_images, scores_of
from metrics.estimates import Estimate
from tests.support import encode
from tests.unit.components.auditor.films import film_of

FILMS = pd.DataFrame(
    {
        "label": ["PNEUMONIA"] * 5 + ["NORMAL"] * 4,
        "answer": ["PNEUMONIA", "PNEUMONIA", "UNCERTAIN", "UNCERTAIN", "NORMAL",
                   "NORMAL", "NORMAL", "PNEUMONIA", "UNCERTAIN"],
        "out_of_distribution": [0.5, 1.0, 1.01, 3.0, 0.2, 0.1, 0.9, 0.7, 0.4],
    }
)  # fmt: skip


class CautiousModel:
    """Is uncertain about films of middling grey, and holds bright ones for strange."""

    def __init__(self, sure: Any):
        self._sure = sure
        self.signatures = {"predict_images": self._predict}

    def _predict(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        answer = self._sure.signatures["predict_images"](image_bytes=image_bytes)
        probability = answer["probability"]
        unsure = (probability >= 0.3) & (probability < 0.7)
        return {
            **answer,
            "forced_label": answer["label"],
            "label": tf.where(unsure, "UNCERTAIN", answer["label"]),
            "out_of_distribution": 2 * probability,
        }


def test_shares_are_those_counted_by_hand() -> None:
    assert abstention_of(FILMS) == Abstention(
        out_of_distribution=2 / 9,  # 1.0 is the threshold and not beyond it
        coverage=6 / 9,
        missed=1 / 5,
        false_alarms=1 / 4,
        wrong_of_answered=2 / 6,
    )


def test_what_cannot_be_counted_is_no_number() -> None:
    unsure = FILMS[FILMS["answer"] == "UNCERTAIN"].assign(out_of_distribution=np.nan)
    found = abstention_of(unsure[unsure["label"] == "NORMAL"])
    assert math.isnan(found.out_of_distribution)
    assert math.isnan(found.missed)
    assert math.isnan(found.wrong_of_answered)
    assert (found.coverage, found.false_alarms) == (0.0, 0.0)


def test_metrics_are_of_the_forced_answer_and_the_answer_stands_beside(
    mean_model: Any,
) -> None:
    model = CautiousModel(mean_model)
    images = [encode(film_of(seed, mean)) for seed, mean in enumerate((30, 100, 140, 220))]
    films = score_images(model, images)
    assert films["predicted_label"].tolist() == ["NORMAL", "NORMAL", "PNEUMONIA", "PNEUMONIA"]
    assert films["answer"].tolist() == ["NORMAL", "UNCERTAIN", "UNCERTAIN", "PNEUMONIA"]
    assert (films["out_of_distribution"] > 1).tolist() == [False, False, True, True]
    known = films.assign(label="PNEUMONIA", patient_id="a")
    assert scores_of(known).decisions.tolist() == [0, 0, 1, 1]
    forced = score_images(mean_model, images)
    assert forced["answer"].tolist() == forced["predicted_label"].tolist()
    assert forced["out_of_distribution"].isna().all()


def test_findings_are_read_as_they_were_written() -> None:
    reached = Estimate(9, 9, 5, {"auc": 0.5}, {"auc": (0.4, 0.6)})
    abstention = replace(abstention_of(FILMS), out_of_distribution=math.nan)
    findings = Findings(
        slices={"overall": reached},
        subtype_auc=None,
        shifts=[],
        external=ExternalSite("/there", 0, reached, abstention),
        controls=[],
        unscored={},
        abstention=abstention,
    )
    content = json.loads(json.dumps(findings.to_json(), allow_nan=False))
    expected = {**asdict(abstention), "out_of_distribution": None}
    assert content["model"]["abstention"] == expected == content["external"]["abstention"]
    assert Findings.from_json(content).to_json() == content
    del content["model"]["abstention"], content["external"]["abstention"]
    earlier = Findings.from_json(content)
    assert earlier.abstention is None
    assert earlier.external is not None and earlier.external.abstention is None


@pytest.mark.parametrize("labels", [["NORMAL", "UNCERTAIN"], ["UNCERTAIN", "UNCERTAIN"]])
def test_the_evaluator_counts_the_forced_label(labels: list[str]) -> None:
    from components.evaluation import decisions

    answers = {
        "probability": np.array([0.1, 0.6]),
        "label": np.array([label.encode() for label in labels]),
        "forced_label": np.array([b"NORMAL", b"PNEUMONIA"]),
    }
    decided = decisions._with_decision({"predictions": answers})["predictions"]
    assert decided[decisions.DECISION].tolist() == [0.0, 1.0]
    del answers["forced_label"]
    answers["label"] = np.array([b"PNEUMONIA", b"NORMAL"])
    decided = decisions._with_decision({"predictions": answers})["predictions"]
    assert decided[decisions.DECISION].tolist() == [1.0, 0.0]
