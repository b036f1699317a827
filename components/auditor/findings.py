"""What an audit found, and how it is written down for the gate, the report and whoever reads on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from components.auditor.abstention import Abstention
from components.auditor.lesions import Lesions
from metrics.comparisons import AucMargin
from metrics.estimates import Estimate
from metrics.score_intervals import Interval
from metrics.scores import AUC, RECALL, SPECIFICITY
from metrics.slices import OVERALL

AUDIT_FILE = "audit.json"
PREDICTIONS_FILE = "predictions.csv"  # a row a test film, beside it
FRAME_SWAPS_FILE = "frame_swaps.png"  # beside it

UNCHANGED = "unchanged"  # the shift that is none
OWN_FRAME = "own frame"
SAME_FRAME = "frame of the same class"
OTHER_FRAME = "frame of the other class"
EITHER_FRAME = "frame of either class"
LUNGS_ALONE = "lungs alone"
FRAME_ALONE = "frame alone"
# What the picture of swapped frames shows, from left to right.
PICTURED = (OWN_FRAME, SAME_FRAME, OTHER_FRAME, LUNGS_ALONE, FRAME_ALONE)
FACTS = "age, sex and view"  # the control that sees no picture, but knows these
SHOWN = (AUC, RECALL, SPECIFICITY)  # of each shift
# Root mean square over a film, in its own grey levels. What rounding leaves of a change that the
# preparation undoes is below; a blur of one pixel is well above.
NO_CHANGE_LEVELS = 1.0


@dataclass(frozen=True)
class Shift:
    """What the model reached under one change.

    Attributes:
        name: Of the change.
        estimate: Metrics at the model's operating point, of the films that the model judges both
            unchanged and changed.
        differences: Each of `SHOWN` less its value on the same films unchanged.
        input_change: How far the network's input moves, in grey levels of the film: root mean
            square over the pixels, of the film that moves most. 0 for the unchanged films.
        left_out: Films that the model judges unchanged, and no longer once changed.
    """

    name: str
    estimate: Estimate
    differences: dict[str, float]
    input_change: float
    left_out: int = 0

    @property
    def changes_input(self) -> bool:
        """Whether the network sees the change at all, beyond what rounding does."""
        return self.input_change >= NO_CHANGE_LEVELS


@dataclass(frozen=True)
class ExternalSite:
    """What the model reached on the films of another site.

    Attributes:
        root: Where they are.
        rejected: Files that are no usable film, or that the model did not judge.
        estimate: Metrics at the model's operating point.
        abstention: Where it does not answer there.
    """

    root: str
    rejected: int
    estimate: Estimate
    abstention: Abstention | None = None


@dataclass(frozen=True, kw_only=True)
class Control(AucMargin):
    """What can be told without the lungs, and by how much the model is better.

    Attributes:
        name: Of the control.
    """

    name: str


@dataclass(frozen=True)
class FrameSwaps:
    """What the model reached with lungs and frames of different films.

    Attributes:
        left_out: Test films in which no lungs were found.
        films: Those that were cut apart; of a row, the model may have judged fewer.
        rows: By what the films are: `OWN_FRAME`, `SAME_FRAME`, `OTHER_FRAME`, `EITHER_FRAME`,
            `LUNGS_ALONE`, `FRAME_ALONE`. The label is that of the lungs, of `FRAME_ALONE` that of
            the film. `EITHER_FRAME` has the films of the two rows before it: all lungs, once in a
            frame of each class, so that no frame tells the class.
        controls: What networks that see no lungs reach on `EITHER_FRAME`, and what is told by the
            facts of the film that gives the lungs; empty where none was trained.
        montage: PNG that shows some of them, a column for each of `PICTURED`; not in `AUDIT_FILE`.
    """

    left_out: int
    films: int
    rows: dict[str, Estimate]
    controls: list[Control] = field(default_factory=list)
    montage: bytes = b""


@dataclass(frozen=True)
class Findings:
    """What was measured; nothing in it depends on a floor.

    Attributes:
        slices: Estimate by slice, the overall one first.
        subtype_auc: Bacterial against viral and its interval, or None for another task.
        shifts: The unchanged films first; empty where the audit is off.
        external: The other site, or None.
        controls: Empty where the audit is off.
        missing_controls: Why there is no such control, by name.
        unscored: Test films that the model gave no probability, by its reason.
        frame_swaps: None where the audit is off or no lungs were found.
        abstention: Where the model does not answer test films.
        lesions: How the lesions that the model marks agree with drawn ones; None where it marks
            none.
    """

    slices: dict[str, Estimate]
    subtype_auc: tuple[float, Interval] | None
    shifts: list[Shift]
    external: ExternalSite | None
    controls: list[Control]
    unscored: dict[str, int]
    frame_swaps: FrameSwaps | None = None
    abstention: Abstention | None = None
    missing_controls: dict[str, str] = field(default_factory=dict)
    lesions: Lesions | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns the content of `AUDIT_FILE`; what is undefined is null."""
        auc, interval = self.subtype_auc or (None, None)
        overall = asdict(self.slices[OVERALL])
        del overall["intervals"]  # with those of the other slices
        content = {
            "model": {
                **overall,
                "unscored": self.unscored,
                "subtype_auc": auc,
                "subtype_auc_interval": interval,
                "abstention": self.abstention and asdict(self.abstention),
            },
            "slices": {name: asdict(one) for name, one in self.slices.items()},
            "shifts": [_shift_json(shift) for shift in self.shifts],
            "external": _external_json(self.external),
            "controls": [asdict(control) for control in self.controls],
            "missing_controls": self.missing_controls,
            "frame_swaps": _swaps_json(self.frame_swaps),
            "lesions": self.lesions and asdict(self.lesions),
        }
        return _without_nan(content)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Findings:
        """Reads the content of `AUDIT_FILE`."""
        model, external, swaps = (content[name] for name in ("model", "external", "frame_swaps"))
        auc, interval = model["subtype_auc"], model["subtype_auc_interval"]
        return cls(
            slices={name: _estimate(one) for name, one in content["slices"].items()},
            subtype_auc=None if auc is None else (auc, tuple(interval)),
            shifts=[_shift(row) for row in content["shifts"]],
            external=external and _external(external),
            controls=[_control(row) for row in content["controls"]],
            unscored=model["unscored"],
            frame_swaps=swaps and _swaps(swaps),
            abstention=_abstention(model),
            missing_controls=content.get("missing_controls", {}),  # an earlier audit has none
            lesions=_lesions(content.get("lesions")),
        )


def _shift_json(shift: Shift) -> dict[str, Any]:
    reached = shift.estimate
    return {
        "name": shift.name,
        "films": reached.films,
        "left_out": shift.left_out,
        "patients": reached.patients,
        "positives": reached.positives,
        **{name: reached.metrics[name] for name in SHOWN},
        **{f"{name}_interval": reached.intervals.get(name) for name in SHOWN},
        **{f"{name}_change": shift.differences[name] for name in SHOWN},
        "changes_input": shift.changes_input,
        "input_change": shift.input_change,
    }


def _shift(row: Mapping[str, Any]) -> Shift:
    intervals = {name: row[f"{name}_interval"] for name in SHOWN}
    counts = {name: row[name] for name in ("films", "patients", "positives")}
    reached = _estimate(
        {
            **counts,
            "metrics": {name: row[name] for name in SHOWN},
            "intervals": {name: one for name, one in intervals.items() if one is not None},
        }
    )
    differences = {name: _number(row[f"{name}_change"]) for name in SHOWN}
    left_out = row.get("left_out", 0)  # an earlier audit did not count them
    return Shift(row["name"], reached, differences, row["input_change"], left_out)


def _external_json(site: ExternalSite | None) -> dict[str, Any] | None:
    if site is None:
        return None
    abstention = site.abstention and asdict(site.abstention)
    named = {"root": site.root, "rejected": site.rejected, "abstention": abstention}
    return {**named, **asdict(site.estimate)}


def _external(content: Mapping[str, Any]) -> ExternalSite:
    return ExternalSite(
        content["root"], content["rejected"], _estimate(content), _abstention(content)
    )


def _abstention(content: Mapping[str, Any]) -> Abstention | None:
    found = content.get("abstention")  # an earlier audit has none
    return found and Abstention(**{name: _number(value) for name, value in found.items()})


def _swaps_json(swaps: FrameSwaps | None) -> dict[str, Any] | None:
    if swaps is None:
        return None
    rows = [{"name": name, **asdict(reached)} for name, reached in swaps.rows.items()]
    controls = [asdict(control) for control in swaps.controls]
    return {"left_out": swaps.left_out, "films": swaps.films, "rows": rows, "controls": controls}


def _swaps(content: Mapping[str, Any]) -> FrameSwaps:
    rows = {row["name"]: _estimate(row) for row in content["rows"]}
    controls = [_control(row) for row in content["controls"]]
    return FrameSwaps(content["left_out"], content["films"], rows, controls)


def _lesions(content: Mapping[str, Any] | None) -> Lesions | None:
    if not content:
        return None
    intervals = {name: (low, high) for name, (low, high) in content["intervals"].items()}
    return Lesions(**{**content, "intervals": intervals})


def _control(row: Mapping[str, Any]) -> Control:
    intervals = {name: tuple(row[name]) for name in ("auc_interval", "margin_interval")}
    return Control(**{**row, **intervals})


def _estimate(content: Mapping[str, Any]) -> Estimate:
    return Estimate(
        films=content["films"],
        patients=content["patients"],
        positives=content["positives"],
        metrics={name: _number(value) for name, value in content["metrics"].items()},
        intervals={name: (low, high) for name, (low, high) in content["intervals"].items()},
    )


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _without_nan(value: Any) -> Any:
    """Returns JSON content with null for NaN, at any depth."""
    if isinstance(value, dict):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and math.isnan(value) else value
