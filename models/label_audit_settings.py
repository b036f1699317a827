"""What LabelAuditor is told: whether a run looks for doubtful labels, and how many films it shows.

The settings stand here because importing `components` imports TFX, and a flag should be refused at
once.
"""

from __future__ import annotations

from pydantic import Field

from models.hyperparameters import Settings

SWITCHED_OFF = "label_audit.enabled=false"  # why there is no audit, in its file


class LabelAuditSettings(Settings):
    """The label audit; all of it is in LabelAuditor's cache key."""

    enabled: bool = Field(
        True,
        description="list the films whose label the films of other patients speak against; none is "
        "removed",
    )
    folds: int = Field(
        5, ge=2, le=10, description="parts of the patients; a part is judged by all others"
    )
    films_shown: int = Field(
        24, ge=0, le=500, description="most doubtful films that the report shows; the list has all"
    )
