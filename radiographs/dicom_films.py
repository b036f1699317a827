"""Films of DICOM files: what their headers add to what a folder or a table says of them.

The table wins where it says something, and a contradiction is told. Here also ends whatever
identifies a patient: from now on there are pseudonyms.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from models.features import AGE_UNKNOWN, STUDY_DAY_UNKNOWN, UNKNOWN
from radiographs.dicom_headers import DicomHeader, Headers
from radiographs.films import Film, FilmTags
from radiographs.pseudonyms import Pseudonyms, hidden
from radiographs.sentences import with_quoted


def with_tags(films: Sequence[Film], headers: Headers) -> tuple[list[Film], list[str]]:
    """Adds what headers say of films.

    Args:
        films: As a folder or a table tells of them.
        headers: Of those that are DICOM.

    Returns:
        The films, and sentences about what is contradictory.
    """
    first = _first_days(films, headers)
    differing: Counter[str] = Counter()
    added = []
    for film in films:
        header = headers.get(film.path)
        if header is not None:
            differing.update(_contradictions(film, header))
            film = _added(film, header, first.get(film.patient_id))
        added.append(film)
    return added, [
        f"{'1 film has' if count == 1 else f'{count:,} films have'} another {what} in the DICOM "
        "tags than in the manifest, which decides."
        for what, count in sorted(differing.items())
    ]


def _first_days(films: Sequence[Film], headers: Headers) -> dict[str, date]:
    first: dict[str, date] = {}
    for film in films:
        studied = headers[film.path].studied if film.path in headers else None
        if studied:
            first[film.patient_id] = min(studied, first.get(film.patient_id, studied))
    return first


def _contradictions(film: Film, header: DicomHeader) -> list[str]:
    facts = header.facts
    pairs = (("view", film.view, facts.view), ("sex", film.sex, facts.sex))
    found = [name for name, told, tag in pairs if UNKNOWN not in (told, tag) and told != tag]
    ages = (film.age_years, facts.age_years)
    # A birthday may lie between the study and the table.
    if AGE_UNKNOWN not in ages and abs(ages[0] - ages[1]) > 1:
        found.append("age")
    return found


def _added(film: Film, header: DicomHeader, first: date | None) -> Film:
    facts = header.facts
    day = (header.studied - first).days if header.studied and first else STUDY_DAY_UNKNOWN
    return replace(
        film,
        view=facts.view if film.view == UNKNOWN else film.view,
        sex=facts.sex if film.sex == UNKNOWN else film.sex,
        age_years=facts.age_years if film.age_years == AGE_UNKNOWN else film.age_years,
        tags=FilmTags(
            laterality=facts.laterality,
            modality=facts.modality,
            body_part=facts.body_part,
            pixel_spacing_mm=facts.pixel_spacing_mm,
            manufacturer=facts.manufacturer,
            device_model=header.model or UNKNOWN,
            study_day=day,
        ),
    )


class Hiding:
    """Puts pseudonyms in the place of what identifies: ids of all films, paths of DICOM files."""

    def __init__(self, films: Sequence[Film], paths: Sequence[str], pseudonyms: Pseudonyms):
        """Works the pseudonyms out.

        Args:
            films: With ids as they are written.
            paths: Of the files whose names may identify somebody, films or not.
            pseudonyms: By the key of the site.
        """
        self._pseudonyms = pseudonyms
        self._paths = {path: hidden(path, pseudonyms) for path in paths}
        self._patients = {
            film.patient_id: pseudonyms.of("patient", film.patient_id) for film in films
        }
        self._words = {**self._patients, **self._paths}

    def film(self, film: Film) -> Film:
        """Returns a film that says neither who it shows nor where it lies."""
        model = film.tags.device_model
        if model != UNKNOWN:
            model = self._pseudonyms.of("model", model)
        return replace(
            film,
            path=self.path(film.path),
            patient_id=self._patients[film.patient_id],
            tags=replace(film.tags, device_model=model),
        )

    def path(self, path: str) -> str:
        """Returns the pseudonym of a path that is hidden, and any other path as it is."""
        return self._paths.get(path, path)

    def sentence(self, sentence: str) -> str:
        """Hides what a sentence quotes, and the path that a reason ends with."""
        head, colon, path = sentence.rpartition(": ")
        if colon and path in self._paths:
            sentence = f"{head}: {self._paths[path]}"
        return with_quoted(sentence, self._words)
