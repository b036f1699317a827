"""The gate over a written audit: verdicts, blessing and what the Evaluator said before."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any

import pytest
from tfx.types import standard_artifacts

from components.artifacts import AuditVerdicts, ModelAudit
from components.audit_gate.executor import AuditGateExecutor, write_verdicts
from components.verdicts import Verdict
from models.audit_settings import AuditFloors
from tests.unit.components.audit_gate.test_gates import FINDINGS


def artifact(kind: Any, uri: Path) -> Any:
    one = kind()
    one.uri = str(uri)
    uri.mkdir(parents=True, exist_ok=True)
    return one


def bless(folder: Path, evaluator_blessed: int, floors: AuditFloors) -> tuple[Any, list[Any]]:
    """Runs the executor over `FINDINGS`; returns the blessing and the verdicts."""
    kinds = standard_artifacts
    audit = artifact(ModelAudit, folder / "audit")
    (folder / "audit" / "audit.json").write_text(json.dumps(FINDINGS.to_json()), encoding="utf-8")
    model = artifact(kinds.Model, folder / "model")
    model.id = 17
    evaluated = artifact(kinds.ModelBlessing, folder / "evaluated")
    evaluated.set_int_custom_property("blessed", evaluator_blessed)
    verdicts = artifact(AuditVerdicts, folder / "verdicts")
    blessing = artifact(kinds.ModelBlessing, folder / "blessing")
    AuditGateExecutor().Do(
        {"audit": [audit], "model": [model], "evaluator_blessing": [evaluated]},
        {"verdicts": [verdicts], "blessing": [blessing]},
        {"floors": floors.model_dump_json()},
    )
    return blessing, json.loads((folder / "verdicts" / "verdicts.json").read_text())


@pytest.mark.parametrize(
    ("evaluator_blessed", "floor", "blessed"),
    [(1, 0.5, 1), (0, 0.5, 0), (1, 0.95, 0), (0, 0.95, 0)],
)
def test_a_model_is_blessed_if_the_evaluator_and_every_gate_agree(
    tmp_path: Path, evaluator_blessed: int, floor: float, blessed: int
) -> None:
    floors = AuditFloors(
        min_external_auc=floor, min_external_recall=0.1, min_swap_auc=0, min_shortcut_margin=0
    )
    blessing, verdicts = bless(tmp_path, evaluator_blessed, floors)
    assert blessing.get_int_custom_property("blessed") == blessed
    assert blessing.get_int_custom_property("audited") == 1
    assert blessing.get_int_custom_property("current_model_id") == 17
    assert blessing.get_string_custom_property("current_model") == str(tmp_path / "model")
    files = [file.name for file in Path(blessing.uri).iterdir()]
    assert files == ["BLESSED" if blessed else "NOT_BLESSED"]
    by_metric = {one["metric"]: one for one in verdicts}
    assert {name: one["passed"] for name, one in by_metric.items()} == {
        "AUC": floor == 0.5, "recall": True,
    }  # fmt: skip
    assert by_metric["AUC"]["value"] == 0.88
    assert by_metric["AUC"]["bound"] == floor


@pytest.mark.parametrize("reason", ["", "pilot; read by two radiologists"])
def test_a_reason_that_overrules_is_a_property_of_the_blessing(tmp_path: Path, reason: str) -> None:
    blessing, verdicts = bless(tmp_path, 1, AuditFloors(min_swap_auc=0.9, accept_blind_test=reason))
    assert blessing.get_int_custom_property("blessed") == bool(reason)
    assert blessing.get_string_custom_property("accepted_blind_test") == reason
    assert {one["accepted"] for one in verdicts} == {reason}


def test_a_reason_that_was_not_needed_is_none(tmp_path: Path) -> None:
    floors = AuditFloors(min_swap_auc=0.1, min_shortcut_margin=0.1, accept_blind_test="why not")
    blessing, _ = bless(tmp_path, 1, floors)
    assert not blessing.has_custom_property("accepted_blind_test")


def test_a_value_that_is_not_defined_is_null(tmp_path: Path) -> None:
    gate = Verdict("external", "AUC", math.nan, 0.5, False, "a class has no film")
    write_verdicts([gate], str(tmp_path))
    (row,) = json.loads((tmp_path / "verdicts.json").read_text(encoding="utf-8"))
    assert row == {
        "slice": "external", "metric": "AUC", "value": None, "bound": 0.5, "passed": False,
        "why": "a class has no film", "accepted": "",
    }  # fmt: skip


@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_a_value_that_json_lacks_is_not_written(tmp_path: Path, value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_verdicts([Verdict("external", "AUC", value, 0.5, True, "so")], str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_every_verdict_is_logged_and_a_failure_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    floors = AuditFloors(
        min_external_auc=0.95, min_external_recall=0.1, min_swap_auc=0, min_shortcut_margin=0
    )
    with caplog.at_level(logging.INFO, logger="components.audit_gate"):
        _, verdicts = bless(tmp_path, 1, floors)
    logged = {record.getMessage(): record.levelname for record in caplog.records}
    assert logged == {one["why"]: "INFO" if one["passed"] else "WARNING" for one in verdicts}
    assert sorted(logged.values()) == ["INFO", "WARNING"]
