"""What the DataGate says of distances that are made up."""

from __future__ import annotations

import json
from dataclasses import replace

from components.data_gate.account import Comparison, account_files, stop_sentence
from components.data_gate.drift import DRIFT, L_INFINITY, Distance
from radiographs.leaks import Anomaly

NEAR = Distance(DRIFT, "train", "sex", L_INFINITY, 0.09, 0.1, 30, 40, "F 59.0%, was 50.0%")
FAR = replace(NEAR, feature="view", value=0.4)
LARGER_BUT_ALLOWED = replace(NEAR, split="test", feature="site", value=0.8, threshold=0.99)
MOVED = Anomaly("train", "view", str(FAR))
BREACH = Anomaly("test", "films", "there are none")
NOTE = "nobody was asked"


def comparison(*distances: Distance) -> Comparison:
    return Comparison("/before", "/served.pb", (NOTE,), distances)


def test_what_lies_too_far_is_told_with_the_reason() -> None:
    found = comparison(NEAR, FAR, LARGER_BUT_ALLOWED)
    assert found.anomalies == [MOVED]
    assert found.lines("known") == [NOTE, str(MOVED), "accepted: known"]


def test_otherwise_what_is_nearest_to_its_own_threshold_is_told() -> None:
    told = [f"nothing has drifted; nearest to it: train, sex: {NEAR}"]
    for given in ((NEAR, LARGER_BUT_ALLOWED), (LARGER_BUT_ALLOWED, NEAR)):
        assert comparison(*given).anomalies == []
        assert comparison(*given).lines("") == [NOTE, *told]
    assert comparison().lines("") == [NOTE]


def test_files_hold_all_distances_and_a_reason_only_where_one_was_needed() -> None:
    files = account_files([BREACH], comparison(NEAR, FAR), "known")
    anomalies = json.loads(files["anomalies.json"])
    assert anomalies == [
        {"where": "test", "what": "films", "why": "there are none"},
        {"where": "train", "what": "view", "why": f"{FAR}; accepted: known"},
    ]
    drift = json.loads(files["drift.json"])
    assert (drift["previous_statistics"], drift["serving_statistics"]) == ("/before", "/served.pb")
    assert (drift["notes"], drift["accepted"]) == ([NOTE], "known")
    rows = [(one["feature"], one["value"], one["exceeded"]) for one in drift["distances"]]
    assert rows == [("sex", 0.09, False), ("view", 0.4, True)]
    unneeded = account_files([], comparison(NEAR), "known")
    assert json.loads(unneeded["drift.json"])["accepted"] == ""
    assert json.loads(unneeded["anomalies.json"]) == []
    (unexplained,) = json.loads(account_files([], comparison(FAR), "")["anomalies.json"])
    assert unexplained["why"] == str(FAR)


def test_a_stop_says_what_a_person_may_overrule_and_what_not() -> None:
    assert stop_sentence([], [MOVED]) == (
        f"the films differ from those before:\n  - train, view: {FAR}\nlook at them; where the "
        "change is meant, --accept-data REASON or data_gate.accept_drift=REASON lets them pass"
    )
    breached = stop_sentence([BREACH], [])
    assert "  - test, films: there are none" in breached and "accept" not in breached
    assert stop_sentence([BREACH], [MOVED]) == f"{breached}\n{stop_sentence([], [MOVED])}"
    assert stop_sentence([], []) == ""
