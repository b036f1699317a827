"""Auditor: asks whether a model holds outside the films it was trained on, and how surely."""
