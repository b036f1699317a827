"""Gates: which are asked for, what they judge and what they say."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from components.audit_gate.gates import judge
from components.auditor.findings import Control, ExternalSite, Findings, FrameSwaps, Shift
from components.verdicts import Verdict
from metrics.estimates import Estimate
from models.audit_settings import AuditFloors


def reached(auc: float, recall: float, positives: int = 100) -> Estimate:
    """An estimate whose bootstrap bounds are 0.04 below; specificity falls as recall rises."""
    metrics = {"auc": auc, "recall": recall, "specificity": 1 - recall / 2}
    intervals = {
        name: (value - 0.04, min(1.0, value + 0.04))
        for name, value in metrics.items()
        if not math.isnan(value)
    }
    return Estimate(2 * positives, 2 * positives, positives, metrics, intervals)


SLICES = {
    "overall": reached(0.97, 0.95, 1000),
    "view=PA": reached(0.99, 0.96, 1000),
    "view=AP": reached(0.9, 0.5, 19),
}
NO_CHANGE = {"auc": 0.0, "recall": 0.0, "specificity": 0.0}
SHIFTS = [
    Shift("unchanged", reached(0.5, 0.5), NO_CHANGE, 9.0),
    Shift("blur", reached(0.95, 0.7), NO_CHANGE, 9.0),
    Shift("noise", reached(0.9, 0.8), NO_CHANGE, 9.0),
]
CONTROLS = [
    Control(
        name="outer frame", auc=0.8, auc_interval=(0.75, 0.85), margin=0.17,
        margin_interval=(0.12, 0.22),
    ),
    Control(
        name="lungs blacked out", auc=0.85, auc_interval=(0.8, 0.9), margin=0.12,
        margin_interval=(0.07, 0.17),
    ),
]  # fmt: skip
SITE = ExternalSite("there", 0, reached(0.88, 0.9))


SWAPS = FrameSwaps(
    3,
    200,
    {
        "frame of the same class": reached(0.98, 0.9),
        "frame of the other class": reached(0.4, 0.6),
        "frame of either class": reached(0.7, 0.7, positives=200),
    },
)
FINDINGS = Findings(SLICES, None, SHIFTS, SITE, CONTROLS, {}, SWAPS)


def gates(**floors: Any) -> dict[tuple[str, str], Verdict]:
    nothing = {"min_swap_auc": 0, "min_shortcut_margin": 0}
    found = judge(AuditFloors(**{**nothing, **floors}), FINDINGS)
    return {(gate.slice, gate.metric): gate for gate in found}


def test_the_evaluator_has_judged_the_estimates() -> None:
    assert gates() == {}


def test_lower_bounds_of_overall_and_of_slices_that_can_decide() -> None:
    found = gates(gate_on="lower_bound", min_auc=0.95, min_recall=0.9, min_specificity=0.485)
    assert {key: gate.passed for key, gate in found.items()} == {
        ("overall", "AUC lower bound"): False,
        ("overall", "recall lower bound"): True,
        ("overall", "specificity lower bound"): True,
        ("view=PA", "recall lower bound"): True,
        ("view=PA", "specificity lower bound"): False,
    }
    auc = found["overall", "AUC lower bound"]
    assert auc.value == pytest.approx(0.93)
    assert auc.why == "AUC lower bound on overall is 0.9300, 0.0200 below the floor of 0.9500"


def test_a_small_slice_decides_where_it_is_asked_to() -> None:
    found = gates(gate_on="lower_bound", min_slice_positives=19)
    assert not found["view=AP", "recall lower bound"].passed
    assert ("view=AP", "specificity lower bound") not in found
    # It has as many normal films.
    found = gates(gate_on="lower_bound", min_slice_negatives=19)
    assert not found["view=AP", "specificity lower bound"].passed
    assert ("view=AP", "recall lower bound") not in found


@pytest.mark.parametrize(
    ("setting", "key", "value"),
    [
        ("min_shift_auc", ("shift=noise", "AUC"), 0.9),
        ("min_shift_recall", ("shift=blur", "recall"), 0.7),
        ("min_shift_specificity", ("shift=noise", "specificity"), 0.6),
        ("min_external_auc", ("external", "AUC"), 0.88),
        ("min_external_recall", ("external", "recall"), 0.9),
        ("min_external_specificity", ("external", "specificity"), 0.55),
        ("min_shortcut_margin", ("control=lungs blacked out", "AUC margin"), 0.12),
    ],
)
def test_a_floor_holds_for_the_worst(setting: str, key: tuple[str, str], value: float) -> None:
    for bound, passed in ((value, True), (value + 0.01, False)):
        found = gates(**{setting: bound})
        assert list(found) == [key]
        assert found[key].value == value
        assert (found[key].bound, found[key].passed) == (bound, passed)


def test_every_floor_holds_for_lower_bounds_where_asked() -> None:
    found = gates(
        gate_on="lower_bound", min_shift_auc=0.1, min_external_recall=0.1, min_shortcut_margin=0.1
    )
    assert found["shift=noise", "AUC lower bound"].value == pytest.approx(0.86)
    assert found["external", "recall lower bound"].value == pytest.approx(0.86)
    margin = found["control=lungs blacked out", "AUC margin lower bound"]
    assert (margin.value, margin.passed) == (0.07, False)


def test_what_is_not_defined_fails() -> None:
    site = ExternalSite("there", 0, reached(math.nan, math.nan))
    floors = AuditFloors(min_external_recall=0.5, min_swap_auc=0, min_shortcut_margin=0)
    (gate,) = judge(floors, replace(FINDINGS, external=site))
    assert not gate.passed
    assert gate.why.startswith("recall on external is not defined")


def test_failures_come_first() -> None:
    found = gates(min_external_auc=0.5, min_external_recall=0.95, min_shift_auc=0.2)
    assert [gate.passed for gate in found.values()] == [False, True, True]


def test_what_was_not_measured_is_not_judged() -> None:
    nothing = Findings(SLICES, None, [], None, [], {})
    floors = AuditFloors(
        min_shift_auc=0.9, min_shift_recall=0.9, min_external_auc=0.9, min_shortcut_margin=0.5,
        min_swap_auc=0,
    )  # fmt: skip
    assert judge(floors, nothing) == []


def test_a_value_at_the_floor_passes_and_says_so() -> None:
    gate = gates(min_external_auc=0.88)["external", "AUC"]
    assert gate.passed
    assert gate.why == "AUC on external is 0.8800, the floor is 0.8800"


class TestChangesThatLeaveFewFilms:
    FLOORS = AuditFloors(min_shift_auc=0.5, min_shift_recall=0.5, min_swap_auc=0,
                         min_shortcut_margin=0)  # fmt: skip

    def judged(self, *shifts: Shift) -> dict[tuple[str, str], Verdict]:
        found = judge(self.FLOORS, replace(FINDINGS, shifts=[SHIFTS[0], *shifts]))
        return {(gate.slice, gate.metric): gate for gate in found}

    @staticmethod
    def easier(shift: Shift, normal: int, ill: int) -> Shift:
        """The change, after which so many of 100 films each are not judged any more."""
        films = replace(shift.estimate, films=200 - normal - ill, positives=100 - ill)
        return replace(shift, estimate=films, left_out=normal + ill)

    @pytest.mark.parametrize(
        ("normal", "ill", "counts"),
        [
            (10, 10, ""),
            (11, 0, "89 of 100 NORMAL"),
            (0, 11, "89 of 100 PNEUMONIA"),
            (11, 12, "88 of 100 PNEUMONIA"),
            (100, 0, "0 of 100 NORMAL"),
        ],
    )
    def test_nine_in_ten_of_either_class_have_to_be_judged(
        self, normal: int, ill: int, counts: str
    ) -> None:
        found = self.judged(self.easier(SHIFTS[1], normal, ill), SHIFTS[2])
        passes = not counts
        assert {gate.passed for gate in found.values()} == {passes}
        assert {gate.is_defined for gate in found.values()} == {passes}
        if not passes:
            assert set(found) == {("shift=blur", "AUC"), ("shift=blur", "recall")}
            assert {gate.why for gate in found.values()} == {
                f"the model judged {counts} films under the change 'blur'"
            }

    def test_where_nothing_was_judged_nothing_passes(self) -> None:
        nothing = replace(reached(math.nan, math.nan), films=0, positives=0)
        shifts = [replace(shift, estimate=nothing) for shift in SHIFTS]
        found = judge(self.FLOORS, replace(FINDINGS, shifts=shifts))
        of_shifts = [gate for gate in found if gate.slice.startswith("shift=")]
        assert [gate.passed for gate in of_shifts] == [False, False]

    def test_the_change_that_leaves_fewest_is_named(self) -> None:
        found = self.judged(self.easier(SHIFTS[1], 50, 50), self.easier(SHIFTS[2], 0, 51))
        assert {name for name, _ in found} == {"shift=noise"}

    def test_lower_bounds_do_not_save_it(self) -> None:
        floors = self.FLOORS.model_copy(update={"gate_on": "lower_bound", "min_shift_recall": 0})
        few = self.easier(SHIFTS[1], 11, 11)
        (gate,) = (
            one
            for one in judge(floors, replace(FINDINGS, shifts=[SHIFTS[0], few]))
            if one.slice.startswith("shift=")
        )
        assert (gate.metric, gate.bound, gate.passed) == ("AUC lower bound", 0.5, False)

    def test_nobody_asks_where_no_floor_is_set(self) -> None:
        floors = AuditFloors(min_swap_auc=0, min_shortcut_margin=0)
        few = self.easier(SHIFTS[1], 99, 99)
        assert judge(floors, replace(FINDINGS, shifts=[SHIFTS[0], few])) == []

    def test_a_metric_that_is_not_defined_is_the_worst_wherever_it_stands(self) -> None:
        undefined = Shift("gamma 1.4", reached(math.nan, math.nan), NO_CHANGE, 9.0)
        for order in ([SHIFTS[1], undefined], [undefined, SHIFTS[1]]):
            found = self.judged(*order)
            assert {name for name, _ in found} == {"shift=gamma 1.4"}
            assert not any(gate.passed for gate in found.values())


class TestLungsAndFrames:
    BLIND = "the model, or its test, cannot tell a lung from the frame around it"

    def test_lungs_in_frames_of_the_other_class_decide(self) -> None:
        ((key, gate),) = gates(min_swap_auc=0.7).items()
        assert key == ("frame of the other class", "AUC")
        assert (gate.value, gate.bound, gate.passed) == (0.4, 0.7, False)
        assert gate.why.startswith("AUC on frame of the other class is 0.4000, 0.3000 below")
        assert gate.why.endswith(f"{self.BLIND}; evaluation.accept_blind_test=REASON overrules")
        assert gates(min_swap_auc=0.4)["frame of the other class", "AUC"].passed

    def test_a_reason_overrules_both_gates_and_no_other(self) -> None:
        floors = {"min_swap_auc": 0.7, "min_shortcut_margin": 0.2, "min_external_auc": 0.9}
        found = gates(**floors, accept_blind_test="pilot, read by two radiologists")
        accepted = [gate for gate in found.values() if self.BLIND in gate.why]
        assert {gate.slice for gate in accepted} == {
            "frame of the other class", "control=lungs blacked out",
        }  # fmt: skip
        assert all(gate.passed for gate in accepted)
        assert all(
            gate.why.endswith("; accepted: pilot, read by two radiologists") for gate in accepted
        )
        assert not found["external", "AUC"].passed
        assert not any(gate.passed for gate in gates(**floors).values())

    def test_a_reason_says_nothing_of_what_passed(self) -> None:
        found = gates(min_swap_auc=0.3, accept_blind_test="why not")
        assert "why not" not in found["frame of the other class", "AUC"].why

    @pytest.mark.parametrize("without_lungs", [0, 20])
    def test_too_few_swapped_films_judge_no_model(self, without_lungs: int) -> None:
        for asked, passes in ((222, True), (223, False)):  # 200 were judged
            swaps = FrameSwaps(without_lungs, asked - without_lungs, SWAPS.rows)
            floors = AuditFloors(min_swap_auc=0.3, min_shortcut_margin=0)
            (gate,) = judge(floors, replace(FINDINGS, frame_swaps=swaps))
            assert gate.passed == passes
        assert not gate.is_defined
        assert gate.why.startswith(
            f"lungs were found in {223 - without_lungs} of 223 films, and 200 of "
            f"{223 - without_lungs} films with a frame of the other class were judged"
        )

    def test_nor_does_a_margin_on_so_few(self) -> None:
        for asked, passes in ((222, True), (223, False)):  # each twice, of which 400 were judged
            swaps = FrameSwaps(0, asked, SWAPS.rows, CONTROLS)
            floors = AuditFloors(min_swap_auc=0, min_shortcut_margin=0.1)
            (gate,) = judge(floors, replace(FINDINGS, frame_swaps=swaps))
            assert gate.slice.startswith("control=")
            assert (gate.passed, gate.is_defined) == (passes, passes)
        assert gate.why.startswith(
            "lungs were found in 223 of 223 films, and 400 of 446 films with a frame of either "
        )

    def test_blanks_are_no_reason(self) -> None:
        gate = gates(min_swap_auc=0.7, accept_blind_test="  ")["frame of the other class", "AUC"]
        assert not gate.passed and not gate.accepted

    def test_films_without_lungs_cannot_be_judged(self) -> None:
        nothing = Findings(SLICES, None, [], None, [], {})
        (gate,) = judge(AuditFloors(min_swap_auc=0.9), nothing)
        assert not gate.passed and not gate.is_defined
        assert gate.why.startswith("no lungs were found in the test films of some class")
        accepted = AuditFloors(min_swap_auc=0.9, accept_blind_test="lungs are not drawn yet")
        assert all(gate.passed for gate in judge(accepted, nothing))
        assert judge(AuditFloors(min_swap_auc=0), nothing) == []


class TestMarginOverControls:
    """On by default: where no frame tells the class, if there are such films."""

    SWAPPED = Control(
        name="outer frame", auc=0.5, auc_interval=(0.45, 0.55), margin=0.3,
        margin_interval=(0.22, 0.38),
    )  # fmt: skip

    def judged(self, controls: list[Control], **floors: Any) -> Verdict:
        swaps = replace(SWAPS, controls=controls)
        settings = AuditFloors(**{"min_swap_auc": 0, **floors})
        (gate,) = judge(settings, replace(FINDINGS, frame_swaps=swaps))
        return gate

    def test_it_is_asked_for_unless_switched_off(self) -> None:
        assert AuditFloors().min_shortcut_margin == 0.2
        gate = self.judged([])
        assert (gate.slice, gate.metric) == ("control=lungs blacked out", "AUC margin")
        assert (gate.value, gate.bound, gate.passed) == (0.12, 0.2, False)

    def test_swapped_frames_decide_where_they_were_measured(self) -> None:
        gate = self.judged([self.SWAPPED])
        assert gate.metric == "AUC margin with frames of either class"
        assert (gate.slice, gate.value, gate.passed) == ("control=outer frame", 0.3, True)

    def test_a_control_that_sees_too_much_there_leaves_nothing_to_judge(self) -> None:
        strong = replace(self.SWAPPED, name="lungs blacked out", auc=0.75, margin=0.05)
        gate = self.judged([self.SWAPPED, strong])
        assert (gate.slice, gate.passed) == ("control=lungs blacked out", False)
        assert "cannot tell a lung from the frame" in gate.why
        accepted = self.judged([strong], accept_blind_test="known, being collected anew")
        assert accepted.passed and accepted.accepted == "known, being collected anew"

    def test_facts_that_tell_the_class_leave_nothing_to_judge_either(self) -> None:
        told = replace(self.SWAPPED, name="age, sex and view", auc=0.75, margin=0.05)
        gate = self.judged([self.SWAPPED, told])
        assert (gate.slice, gate.value, gate.passed) == ("control=age, sex and view", 0.05, False)
        assert "cannot tell pneumonia from the age, sex and view of those who have it" in gate.why
        assert "lung" not in gate.why
        assert self.judged([told], accept_blind_test="a trial of children").passed

    def test_the_lower_bound_is_that_of_the_same_films(self) -> None:
        floors = AuditFloors(gate_on="lower_bound", min_swap_auc=0, min_auc=0, min_recall=0,
                             min_specificity=0)  # fmt: skip
        swaps = replace(SWAPS, controls=[self.SWAPPED])
        (gate,) = judge(floors, replace(FINDINGS, frame_swaps=swaps))
        assert (gate.value, gate.passed) == (0.22, True)
        assert gate.metric == "AUC margin with frames of either class lower bound"
