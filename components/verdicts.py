"""What a gate decided: the Auditor writes it, the account of a run reads it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """One gate on one slice of the films.

    Attributes:
        slice: `overall`, `view=AP`, `shift=blur`, `external` or `control=outer frame`.
        metric: Such as `AUC`, `recall change` against the last blessed model, `recall lower bound`
            or `AUC margin`.
        value: What the model reached; NaN where it is not defined.
        bound: What it had to reach.
        passed: Whether it did.
        why: A sentence.
    """

    slice: str
    metric: str
    value: float
    bound: float
    passed: bool
    why: str
