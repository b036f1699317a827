"""What two splits may not share, and what each has to hold: patients, files, classes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

from models.features import LABEL, LABELS, PATIENT_ID, SHA256

_SHOWN = 5  # names in a sentence


@dataclass(frozen=True)
class Anomaly:
    """One breach of the data contract.

    Attributes:
        where: Split or pair of splits.
        what: Feature that is concerned.
        why: A sentence for the user.
    """

    where: str
    what: str
    why: str

    def __str__(self) -> str:
        """Returns the anomaly as a line of a list."""
        return f"{self.where}, {self.what}: {self.why}"


def leaks(identities: Mapping[str, Iterable[tuple[str, str]]]) -> Iterator[Anomaly]:
    """Finds patients and byte-identical images that two splits share.

    Args:
        identities: `(patient_id, sha256)` of each film, by split.

    Yields:
        One anomaly for each pair of splits and kind of leak.
    """
    patients = {split: {patient for patient, _ in films} for split, films in identities.items()}
    images = {split: {digest for _, digest in films} for split, films in identities.items()}
    remedy = "set data.split=by_patient, or move them to one side"
    for kind, feature, members in (
        ("patients", PATIENT_ID, patients),
        ("byte-identical images", SHA256, images),
    ):
        for one, other in combinations(members, 2):
            shared = sorted(members[one] & members[other])
            if shared:
                names = ", ".join(name[:40] for name in shared[:_SHOWN])
                more = f" and {len(shared) - _SHOWN} more" if len(shared) > _SHOWN else ""
                why = f"{len(shared)} {kind} are in both splits ({names}{more}); {remedy}"
                yield Anomaly(f"{one} and {other}", feature, why)


def without_films(split: str) -> Anomaly:
    """Returns what is said of a split that has no film at all."""
    return Anomaly(split, "films", "there are none; check data.split and the folders")


def absent_classes(split: str, present: Collection[str]) -> Iterator[Anomaly]:
    """Finds the classes that a split has no film of, as quarantine can leave it.

    Args:
        split: Its name.
        present: Labels of its films.

    Yields:
        One anomaly for each class.
    """
    for label in LABELS:
        if label not in present:
            why = f"there is no {label} film; look into the quarantine list and data.split"
            yield Anomaly(split, LABEL, why)


def breach_sentence(anomalies: Iterable[Anomaly]) -> str:
    """Returns what a user is told of the breaches that stop a run."""
    listed = "\n".join(f"  - {anomaly}" for anomaly in anomalies)
    return f"the data breaks its contract:\n{listed}"
