"""Two runs side by side: settings, metrics on common films, films that changed sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from components.explanation_gen.index import ExplainedFilm
from components.report_gen.performance import Performance
from components.report_gen.report import Report, plain
from metrics.comparisons import Paired, paired_metrics
from metrics.scores import Scores
from models.features import LABELS

SAMPLES = 1000  # draws of patients


@dataclass(frozen=True)
class ChangedFilm:
    """A test film that the two models call differently.

    Attributes:
        sha256: Digest of the file.
        label: Truth.
        called: Label by either model, at its own operating point.
        probabilities: P(pneumonia) by either model.
        explained: The film as either run explained it; None where it did not.
    """

    sha256: str
    label: str
    called: tuple[str, str]
    probabilities: tuple[float, float]
    explained: tuple[ExplainedFilm | None, ExplainedFilm | None] = (None, None)

    @property
    def moved(self) -> float:
        """By how much the probability differs."""
        return abs(self.probabilities[1] - self.probabilities[0])

    @property
    def is_right_now(self) -> bool:
        """Whether the later answer is the true one."""
        return self.called[1] == self.label


@dataclass(frozen=True)
class TwoRuns:
    """What two runs have in common, and what not.

    Attributes:
        reports: All that is known of either.
        settings: Name of each setting that differs, and its value in either; empty where a run
            does not know it.
        tested: Films that either model judged.
        common: Films that both judged, with the same label.
        relabelled: Films that both judged, whose label in the data differs.
        metrics: By name, on the common films.
        changed: Films that are called otherwise, those that moved most first.
    """

    reports: tuple[Report, Report]
    settings: tuple[tuple[str, str, str], ...]
    tested: tuple[int, int]
    common: int
    relabelled: int
    metrics: Mapping[str, Paired]
    changed: tuple[ChangedFilm, ...]

    @property
    def names(self) -> tuple[str, str]:
        """Of the runs."""
        return self.reports[0].run.run_id, self.reports[1].run.run_id

    @property
    def sentence(self) -> str:
        """Says what the comparison rests on."""
        first, second = self.tested
        told = f"{self.common:,} test films are common to both runs ({first:,} and {second:,})"
        if self.relabelled:
            told += f"; {self.relabelled:,} more have another label in the data of the other run"
        right = sum(film.is_right_now for film in self.changed)
        return (
            f"{told}. {len(self.changed):,} are called otherwise: {right:,} of them rightly now, "
            f"{len(self.changed) - right:,} wrongly."
        )

    def to_json(self) -> dict[str, Any]:
        """Returns it without pictures; what is undefined is null."""
        content = {
            "runs": list(self.names),
            "settings": [
                {"name": name, "values": [before, after]} for name, before, after in self.settings
            ],
            "films": {
                "tested": list(self.tested),
                "common": self.common,
                "relabelled": self.relabelled,
            },
            "metrics": {name: asdict(one) for name, one in self.metrics.items()},
            "changed": [
                {
                    "sha256": film.sha256,
                    "label": film.label,
                    "called": list(film.called),
                    "probabilities": list(film.probabilities),
                }
                for film in self.changed
            ],
        }
        found: dict[str, Any] = plain(content)
        return found


def compare(before: Report, after: Report, samples: int = SAMPLES) -> TwoRuns:
    """Compares two runs.

    Args:
        before: Of the one.
        after: Of the other.
        samples: Draws of patients.

    Returns:
        What differs; positive changes are the other's gain, but of errors.

    Raises:
        ValueError: If a run has scored no film, or none is common to both.
    """
    ours, theirs = _scored(before), _scored(after)
    places, others = _common(ours, theirs)
    same = ours.scores.labels[places] == theirs.scores.labels[others]
    places_of_same, others_of_same = places[same], others[same]
    if not len(places_of_same):
        raise ValueError(
            f"{before.title} and {after.title} have no test film in common, so there is nothing to "
            "compare; choose runs on the same films with the same split"
        )
    one, other = ours.scores.where(places_of_same), theirs.scores.where(others_of_same)
    digests = [ours.sha256[place] for place in places_of_same]
    return TwoRuns(
        reports=(before, after),
        settings=tuple(_settings(before.run.configuration, after.run.configuration)),
        tested=(ours.films, theirs.films),
        common=len(digests),
        relabelled=int(np.sum(~same)),
        metrics=paired_metrics(one, other, samples),
        changed=tuple(_changed(digests, one, other, (before, after))),
    )


def _scored(report: Report) -> Performance:
    if report.performance is None or not report.performance.films:
        raise ValueError(
            f"{report.title} has no audit with scored test films, so it cannot be compared; choose "
            "a run that got as far as the Auditor"
        )
    return report.performance


def _common(ours: Performance, theirs: Performance) -> tuple[np.ndarray, np.ndarray]:
    """Returns the places of common films in either, in the order of the first."""
    place_of = {digest: place for place, digest in enumerate(theirs.sha256)}
    first = {digest: place for place, digest in reversed(list(enumerate(ours.sha256)))}
    both = [(place, place_of[one]) for one, place in first.items() if one in place_of]
    pairs = np.array(sorted(both), dtype=int).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _settings(before: Mapping[str, str], after: Mapping[str, str]) -> list[tuple[str, str, str]]:
    names = sorted({*before, *after})
    rows = [(name, before.get(name, ""), after.get(name, "")) for name in names]
    return [row for row in rows if row[1] != row[2]]


def _changed(
    digests: list[str], one: Scores, other: Scores, reports: tuple[Report, Report]
) -> list[ChangedFilm]:
    first, second = ({film.sha256: film for film in report.films} for report in reports)
    films = [
        ChangedFilm(
            sha256=digests[place],
            label=LABELS[one.labels[place]],
            called=(LABELS[one.decisions[place]], LABELS[other.decisions[place]]),
            probabilities=(float(one.probabilities[place]), float(other.probabilities[place])),
            explained=(first.get(digests[place]), second.get(digests[place])),
        )
        for place in np.flatnonzero(one.decisions != other.decisions)
    ]
    return sorted(films, key=lambda film: (-film.moved, film.sha256))
