"""Confidence that means something: calibration and the operating point.

Both are fitted on the eval split, which the weights have not seen, and travel inside
the served model. Where films of another place hold another share of pneumonia, both move
with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from pydantic import ConfigDict, TypeAdapter
from scipy.optimize import minimize
from scipy.special import expit, logit

PLATT, BETA = "platt", "beta"  # any other method is temperature scaling
MIN_GROUP_FILMS = 20  # of a group that is judged alone

Bounds = list[tuple[float | None, float | None]]  # lower and upper of each weight


@dataclass(frozen=True)
class Calibration:
    """From the pneumonia logit z to the calibrated probability.

    The probability is `sigmoid(slope_above * log(1 + e^z) - slope_below * log(1 + e^-z) +
    intercept)`: beta calibration of `sigmoid(z)` (Kull et al., Beta calibration, AISTATS
    2017). Where both slopes are the same it is `sigmoid(slope * z + intercept)`, Platt
    scaling; without an intercept besides, temperature scaling.

    Attributes:
        slope_below: Slope that is approached as z falls.
        slope_above: Slope that is approached as z rises.
        intercept: Shift of the logit.
        prevalence: Share of pneumonia that the probabilities assume, in (0, 1); None where it
            is not known.
        fitted_to_all: The one fitted to all films alike, where the worst of several groups decided
            this one; None otherwise.
    """

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid", allow_inf_nan=False)

    slope_below: float
    slope_above: float
    intercept: float
    prevalence: float | None = None
    fitted_to_all: Calibration | None = None

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Calibration:
        """Reads what `dataclasses.asdict` has written.

        Raises:
            ValueError: If a number is missing or none, or there are others.
        """
        return _CALIBRATION.validate_python(record)

    @property
    def for_counting(self) -> Calibration:
        """The calibration by which to tell how many of some films are pneumonia.

        Expectation maximisation takes probabilities for posteriors over all films, which those
        fitted for the worst group are not.
        """
        return self.fitted_to_all or self

    @property
    def weights(self) -> tuple[float, float, float]:
        """The numbers that a served model computes with: slopes below and above, intercept."""
        return self.slope_below, self.slope_above, self.intercept

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Returns P(pneumonia) for logits of any shape."""
        below, above = -np.logaddexp(0, -logits), np.logaddexp(0, logits)
        return expit(self.slope_below * below + self.slope_above * above + self.intercept)

    def shift_to(self, prevalence: float) -> float:
        """Returns what a calibrated logit gains where another share of films is pneumonia.

        Films of a class are taken to look the same there, so by Bayes' rule the odds change by
        one factor (Saerens, Latinne and Decaestecker, Adjusting the Outputs of a Classifier to
        New a Priori Probabilities, Neural Computation 14, 2002, equation 2.4).

        Args:
            prevalence: Share of pneumonia there, in (0, 1).

        Raises:
            ValueError: If it is not known what share the probabilities assume.
        """
        if self.prevalence is None:
            raise ValueError("the prevalence that the probabilities assume is not known")
        return float(logit(prevalence) - logit(self.prevalence))

    def at_prevalence(self, prevalence: float) -> Calibration:
        """Returns the calibration for films of which another share is pneumonia."""
        intercept = self.intercept + self.shift_to(prevalence)
        return replace(self, intercept=intercept, prevalence=prevalence)


_CALIBRATION = TypeAdapter(Calibration)


@dataclass(frozen=True)
class OperatingPoint:
    """Where the answer turns from NORMAL to PNEUMONIA.

    Attributes:
        threshold: Calibrated probability from which a film is called PNEUMONIA.
        sensitivity: Share of pneumonia films found on the eval split, in [0, 1].
        specificity: Share of normal films left alone on the eval split, in [0, 1].
        target_sensitivity: What was asked for, unless a cost ratio was.
        cost_ratio: Cost of a missed pneumonia over that of a false alarm; 0 where the
            sensitivity decided.
        normal_below: Probability below which a film is called NORMAL, the threshold at most; None
            where every film gets an answer.
        pneumonia_from: Probability from which a film is called PNEUMONIA, the threshold at least,
            2 where none is; None likewise. Between the two the label is UNCERTAIN.

    Sensitivity and specificity are NaN where the threshold was not chosen on films.
    """

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    threshold: float
    sensitivity: float
    specificity: float
    target_sensitivity: float
    cost_ratio: float = 0.0
    normal_below: float | None = None
    pneumonia_from: float | None = None

    @property
    def has_band(self) -> bool:
        """Whether films between two probabilities are called UNCERTAIN."""
        return self.normal_below is not None

    @property
    def thresholds(self) -> tuple[float, float, float]:
        """The numbers that a served model computes with: the threshold and the band's edges."""
        below, above = (
            self.threshold if edge is None else edge
            for edge in (self.normal_below, self.pneumonia_from)
        )
        return self.threshold, below, above

    def shifted(self, shift: float) -> OperatingPoint:
        """Returns the point that goes with calibrated logits which have all gained as much.

        A point of a sensitivity moves along, so that every film keeps its label: sensitivity and
        specificity hold at any prevalence. One of a cost ratio stays at its probability, from
        which to call a film is the cheaper error at any prevalence (Elkan, The Foundations of
        Cost-Sensitive Learning, IJCAI 2001), so films change their labels. The edges of a band of
        uncertain films move along, as what they bound are shares of a class, but stay on their
        sides of the threshold.

        Args:
            shift: Of `Calibration.shift_to`.
        """
        if not shift:
            return self
        moved = self
        if self.cost_ratio:
            moved = replace(moved, sensitivity=math.nan, specificity=math.nan)
        else:
            moved = replace(moved, threshold=_moved(self.threshold, shift))
        if self.normal_below is None or self.pneumonia_from is None:
            return moved
        return replace(
            moved,
            normal_below=min(_moved(self.normal_below, shift), moved.threshold),
            pneumonia_from=max(_moved(self.pneumonia_from, shift), moved.threshold),
        )


def moved_to(
    prevalence: float, calibration: Calibration, point: OperatingPoint
) -> tuple[Calibration, OperatingPoint]:
    """Returns both for films of which another share is pneumonia.

    Args:
        prevalence: That share, in (0, 1).
        calibration: Of which the prevalence is known.
        point: Chosen on its probabilities.

    Raises:
        ValueError: If it is not known what share the probabilities assume.
    """
    shift = calibration.shift_to(prevalence)
    return calibration.at_prevalence(prevalence), point.shifted(shift)


def _moved(probability: float, shift: float) -> float:
    """Returns a probability whose logit has gained a shift; what no film reaches stays so."""
    is_reached = 0 < probability < 1
    return float(expit(logit(probability) + shift)) if is_reached else probability


def fit_calibration(
    logits: np.ndarray,
    labels: np.ndarray,
    method: str = PLATT,
    groups: np.ndarray | None = None,
) -> Calibration:
    """Fits the calibration by the likelihood of Platt's smoothed targets.

    The smoothing keeps the slopes finite where the classes separate (Platt, Probabilistic
    Outputs for Support Vector Machines, 1999). The intercept undoes the shift that class
    weights and resampling put into the logits; temperature scaling (Guo et al., On
    Calibration of Modern Neural Networks, 2017) has none. No slope is negative: where a network is
    worse than chance, as on few films of another site, turning round the order of films would be
    no calibration, and would hide that it has yet to learn.

    With groups it is the log-loss of the worst of them that is made as small as it gets, not
    that of all films (Sagawa et al., Distributionally Robust Neural Networks for Group Shifts,
    ICLR 2020). A group of few films is judged together with the others that are as small.

    Args:
        logits: `[films]` float, before the sigmoid.
        labels: `[films]` of 0 and 1, both present.
        method: `platt`, `temperature` or `beta`.
        groups: `[films]` names of any kind, or None.

    Returns:
        Slopes, intercept and the prevalence that they assume; with several groups also
        `fitted_to_all`.
    """
    ones = np.ones_like(logits)
    if method == BETA:
        columns = [-np.logaddexp(0, -logits), np.logaddexp(0, logits), ones]
    else:
        columns = [logits, ones] if method == PLATT else [logits]
    shares = ones[np.newaxis] / len(logits) if groups is None else _shares(groups)
    slopes = len(columns) - (method in (PLATT, BETA))
    weights = _fit_logistic(np.stack(columns, axis=-1), labels, shares, slopes)
    if method == BETA:
        below, above, intercept = weights
    else:
        slope, intercept = weights if method == PLATT else (*weights, 0.0)
        below = above = slope
    fitted = Calibration(below, above, intercept)
    prevalence = _assumed_prevalence(fitted.probabilities(logits), labels)
    alike = fit_calibration(logits, labels, method) if len(shares) > 1 else None
    return replace(fitted, prevalence=prevalence, fitted_to_all=alike)


def _assumed_prevalence(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Returns the share of pneumonia at which the mean probability is that share.

    On the films of a Platt scaling it is their own share; without an intercept, or with weights
    of groups, probabilities may speak of another mixture of the two classes.
    """
    called_wrongly = float(np.mean(probabilities[labels == 0]))
    missed = float(np.mean(1 - probabilities[labels == 1]))
    return called_wrongly / (called_wrongly + missed)


def _pooled(groups: np.ndarray) -> np.ndarray:
    """Returns a number for each film's group, `[films]`; one for all groups of few films."""
    names, index, counts = np.unique(groups, return_inverse=True, return_counts=True)
    return np.where(counts[index] < MIN_GROUP_FILMS, len(names), index)


def _shares(groups: np.ndarray) -> np.ndarray:
    """Returns what each film counts in each group, `[groups, films]`, with rows that sum to 1."""
    index = _pooled(groups)
    members = np.stack([index == group for group in np.unique(index)]).astype(float)
    return members / members.sum(axis=1, keepdims=True)


def _fit_logistic(
    columns: np.ndarray, labels: np.ndarray, shares: np.ndarray, slopes: int
) -> list[float]:
    """Returns the weight of each column.

    Args:
        columns: `[films, columns]`.
        labels: `[films]`.
        shares: `[groups, films]`; the largest of the groups' losses decides.
        slopes: So many first weights are not negative.
    """
    positives = float(np.sum(labels))
    negatives = len(labels) - positives
    high, low = (positives + 1) / (positives + 2), 1 / (negatives + 2)
    targets = np.where(labels == 1, high, low)

    def losses(weights: np.ndarray) -> np.ndarray:
        scores = columns @ weights
        return shares @ (np.logaddexp(0, scores) - targets * scores)

    def gradients(weights: np.ndarray) -> np.ndarray:
        return shares @ (columns * (expit(columns @ weights) - targets)[:, np.newaxis])

    intercepts = columns.shape[1] - slopes
    bounds: Bounds = [(0, None)] * slopes + [(None, None)] * intercepts
    found = minimize(
        lambda weights: float(np.mean(losses(weights))),
        x0=[1.0] * slopes + [0.0] * intercepts,
        jac=lambda weights: np.mean(gradients(weights), axis=0),
        method="L-BFGS-B",
        bounds=bounds,
        options={"ftol": 1e-14, "gtol": 1e-9},
    ).x
    if len(shares) > 1:
        found = _least_maximum(losses, gradients, found, bounds)
    return [float(weight) for weight in found]


def _least_maximum(
    values: Callable[[np.ndarray], np.ndarray],
    gradients: Callable[[np.ndarray], np.ndarray],
    start: np.ndarray,
    bounds: Bounds,
) -> np.ndarray:
    """Returns where the largest of some convex functions is smallest.

    It is the smallest height above all of them, which is smooth where the largest is not.
    """
    return minimize(
        lambda point: float(point[-1]),
        x0=np.append(start, values(start).max()),
        jac=lambda point: np.eye(len(point))[-1],
        method="SLSQP",
        bounds=[*bounds, (None, None)],
        constraints={
            "type": "ineq",
            "fun": lambda point: point[-1] - values(point[:-1]),
            "jac": lambda point: np.pad(
                -gradients(point[:-1]), ((0, 0), (0, 1)), constant_values=1.0
            ),
        },
        options={"ftol": 1e-10, "maxiter": 1000},
    ).x[:-1]


def choose_operating_point(
    probabilities: np.ndarray,
    labels: np.ndarray,
    target_sensitivity: float,
    cost_ratio: float = 0.0,
    groups: np.ndarray | None = None,
) -> OperatingPoint:
    """Chooses the threshold that reaches a sensitivity, or the one that costs least.

    Of the thresholds whose sensitivity is at least the target, the one with the
    largest sum of sensitivity and specificity (Youden, Index for Rating Diagnostic
    Tests, 1950) is taken. With a cost ratio it is the one where `cost_ratio * missed +
    false alarms` is smallest on these films. It is moved to the middle of the gap
    between two films.

    With groups no group may be below the target; what is largest is still the sum over all films,
    as false alarms in a group of few normal films say little. With a cost ratio, missed films and
    false alarms are as many as if all groups were as the one that has most of them.

    Args:
        probabilities: `[films]` calibrated, in [0, 1].
        labels: `[films]` of 0 and 1, both present.
        target_sensitivity: In (0, 1).
        cost_ratio: Cost of a missed pneumonia over that of a false alarm, or 0.
        groups: `[films]` names of any kind, or None; of few films as for `fit_calibration`.

    Returns:
        The threshold and what it reaches on all of these films.
    """
    ill = np.asarray(labels) > 0
    thresholds = np.append(np.inf, np.unique(probabilities)[::-1])
    sensitivity = _shares_called(probabilities, thresholds, ill, groups).min(axis=0)
    if cost_ratio:
        alarmed = _shares_called(probabilities, thresholds, ~ill, groups).max(axis=0)
        missed = (1 - sensitivity) * np.sum(ill)
        merit = -(cost_ratio * missed + alarmed * np.sum(~ill))
    else:
        found, alarmed = (
            _shares_called(probabilities, thresholds, some, None)[0] for some in (ill, ~ill)
        )
        merit = np.where(sensitivity >= target_sensitivity, found - alarmed, -1)
    best = int(np.argmax(merit))
    threshold = min(float(thresholds[best]), 1.0)  # infinite where no film is called PNEUMONIA
    below = probabilities[probabilities < threshold]
    floor = below.max() if below.size else 0.0
    called = probabilities >= threshold
    return OperatingPoint(
        threshold=float((threshold + floor) / 2),
        sensitivity=float(np.mean(called[ill])),
        specificity=float(np.mean(~called[~ill])),
        target_sensitivity=target_sensitivity,
        cost_ratio=cost_ratio,
    )


def _shares_called(
    probabilities: np.ndarray,
    thresholds: np.ndarray,
    chosen: np.ndarray,
    groups: np.ndarray | None,
) -> np.ndarray:
    """Returns the share of each group's chosen films at or above thresholds.

    Args:
        probabilities: `[films]`.
        thresholds: `[thresholds]`.
        chosen: `[films]` bool, of one class.
        groups: `[films]` names, or None for a single group.

    Returns:
        `[groups, thresholds]` in [0, 1].
    """
    values = probabilities[chosen]
    index = np.zeros(len(values), int) if groups is None else _pooled(groups[chosen])
    of_groups = [np.sort(values[index == group]) for group in np.unique(index)]
    return np.stack([1 - np.searchsorted(one, thresholds) / len(one) for one in of_groups])
