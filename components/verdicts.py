"""What a gate decided, the Evaluator's or the AuditGate's."""

from __future__ import annotations

import math
from dataclasses import dataclass

CONTROL = "control="  # begins the slice of a gate on the margin above a control


@dataclass(frozen=True)
class Verdict:
    """One gate: on a slice, an acquisition change, another site or a control.

    Attributes:
        slice: `overall`, `view=AP`, `shift=blur`, `external` or `control=outer frame`.
        metric: Such as `AUC`, `recall change` against the last blessed model, `recall lower bound`
            or `AUC margin with frames of either class`; `slice` where the films of one are missing.
        value: What the model reached; NaN where it is not defined.
        bound: What it had to reach.
        passed: Whether it did.
        why: A sentence.
        accepted: The user's reason to pass it all the same, or nothing.
    """

    slice: str
    metric: str
    value: float
    bound: float
    passed: bool
    why: str
    accepted: str = ""

    @property
    def is_defined(self) -> bool:
        """Whether there were the films to measure a value."""
        return not math.isnan(self.value)
