"""Names of metrics of our own in TFMA's results; what asks for them and what reads them agree."""

from __future__ import annotations

# Metrics on which floors hold in slices.
GATED_RECALL = "gated_recall"
GATED_SPECIFICITY = "gated_specificity"

# Metrics of the films that are new to the last blessed model, on which the two are compared.
COMPARABLE_AUC = "comparable_auc"
COMPARABLE_RECALL = "comparable_recall"
COMPARABLE_SPECIFICITY = "comparable_specificity"
