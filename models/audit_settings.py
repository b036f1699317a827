"""What the audits of a model are told: what to measure, and what to demand of it.

Two types, because two components read them: a changed floor is judged anew and measured
never again. `Evaluation` adds the gates of TFMA's Evaluator. The settings stand here because
importing `components` imports TFX, and a flag should be refused at once.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from models.hyperparameters import Settings


class AuditMeasures(Settings):
    """What the Auditor measures; all of it is in its cache key, and nothing else is."""

    bootstrap_samples: int = Field(
        1000, ge=100, le=100_000, description="resamplings of patients behind an interval"
    )
    shift_audit: bool = Field(True, description="score the model under acquisition changes")
    audit_films: int = Field(
        400, ge=20, description="test films at most that changes and frame swaps are tried on"
    )
    swap_audit: bool = Field(
        True, description="score the model on lungs in frames of other films, of either class"
    )
    shortcut_audit: bool = Field(
        True, description="train controls that see no lungs and compare them with the model"
    )
    control_epochs: int = Field(6, ge=1, le=1000, description="epochs of a control")
    control_films: int = Field(
        20_000, ge=100, description="train films at most that a control network learns from"
    )
    external_data_root: str = Field(
        "",
        description="films of another site, all scored; they may share no film and no patient with "
        "the data root; empty for none",
    )


class AuditFloors(Settings):
    """What the AuditGate demands. A floor of 0 asks for nothing."""

    min_auc: float = Field(0.95, ge=0, le=1, description="floor of the overall ROC AUC")
    min_recall: float = Field(
        0.8, ge=0, le=1, description="floor of the recall at the operating point, every slice"
    )
    min_specificity: float = Field(
        0.8, ge=0, le=1, description="floor of the specificity at the operating point, every slice"
    )
    min_slice_positives: int = Field(
        20,
        ge=1,
        description="a slice with fewer pneumonia films is shown but its recall cannot decide",
    )
    min_slice_negatives: int = Field(
        20,
        ge=1,
        description="a slice with fewer normal films is shown but its specificity cannot decide",
    )
    gate_on: Literal["estimate", "lower_bound"] = Field(
        "estimate",
        description="whether floors hold for the value measured or for the lower bound of its "
        "interval",
    )
    min_shift_auc: float = Field(
        0, ge=0, le=1, description="floor of the AUC under the worst acquisition change"
    )
    min_shift_recall: float = Field(
        0, ge=0, le=1, description="floor of the recall under the worst acquisition change"
    )
    min_shift_specificity: float = Field(
        0, ge=0, le=1, description="floor of the specificity under the worst acquisition change"
    )
    min_swap_auc: float = Field(
        0.8, ge=0, le=1, description="floor of the AUC with lungs in frames of the other class"
    )
    accept_blind_test: str = Field(
        "",
        description="why a model is blessed although the test cannot tell lungs from frames: "
        "min_swap_auc and min_shortcut_margin are then reported, and do not decide",
    )
    min_shortcut_margin: float = Field(
        0.2,
        ge=0,
        le=1,
        description="AUC that the model has to be above every control; where frames are swapped, "
        "on lungs in frames of either class, and above file statistics, which no frame changes, "
        "it need not be; 0 is off, and so is the default without the shortcut audit",
    )
    min_external_auc: float = Field(0, ge=0, le=1, description="floor of the AUC on the other site")
    min_external_recall: float = Field(
        0, ge=0, le=1, description="floor of the recall on the other site"
    )
    min_external_specificity: float = Field(
        0, ge=0, le=1, description="floor of the specificity on the other site"
    )


class AuditSettings(AuditMeasures, AuditFloors):
    """Both, as a user sets them."""

    @property
    def measures(self) -> AuditMeasures:
        """The part that the Auditor is told."""
        return AuditMeasures(**self.model_dump(include=set(AuditMeasures.model_fields)))

    @property
    def floors(self) -> AuditFloors:
        """The part that the AuditGate is told."""
        return AuditFloors(**self.model_dump(include=set(AuditFloors.model_fields)))

    @model_validator(mode="before")
    @classmethod
    def _the_margin_goes_with_its_audit(cls, values: Any) -> Any:
        """Switches the margin off where nobody asked for it and no control is trained."""
        off = isinstance(values, dict) and values.get("shortcut_audit") is False
        return {"min_shortcut_margin": 0, **values} if off else values

    @model_validator(mode="after")
    def _floors_are_looked_at(self) -> AuditSettings:
        audits = {
            "shift_audit": ("min_shift_auc", "min_shift_recall", "min_shift_specificity"),
            "swap_audit": ("min_swap_auc",),
            "shortcut_audit": ("min_shortcut_margin",),
            "external_data_root": (
                "min_external_auc",
                "min_external_recall",
                "min_external_specificity",
            ),
        }
        for audit, floors in audits.items():
            for floor in floors:
                if getattr(self, floor) and not getattr(self, audit):
                    raise ValueError(
                        f"{floor} needs {audit}, or nothing would be held against it; without "
                        f"the audit, set evaluation.{floor}=0"
                    )
        return self


class Evaluation(AuditSettings):
    """The gates a model has to pass before it is pushed."""

    max_auc_drop: float = Field(
        0.01, ge=0, le=1, description="AUC that may be lost against the last blessed model"
    )
    max_recall_drop: float = Field(
        0.05, ge=0, le=1, description="recall that may be lost against it, every slice"
    )
    max_specificity_drop: float = Field(
        0.05, ge=0, le=1, description="specificity that may be lost against it, every slice"
    )
