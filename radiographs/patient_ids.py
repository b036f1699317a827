"""Who is on a film: the id that is written, or what the file name says; and what to say of it.

Films of one person in two splits make a model look better than it is, so whatever leaves
the patient in doubt is told to the user.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from radiographs.errors import DataError
from radiographs.file_names import FileNameRules, composed, original_stem
from radiographs.films import Film
from radiographs.folder_names import CLASS_WORDS, SPLIT_WORDS

# What people, spreadsheets and programs write where they know nothing.
MISSING_WORDS = frozenset((
    "", "-", "--", ".", "?", "n/a", "n.a.", "#n/a", "<na>", "na", "nan", "nat", "nil", "none",
    "null", "unknown", "unk", "undefined", "missing", "not available", "not known",
))  # fmt: skip
_ANONYMOUS = frozenset((
    "anonymous", "anonymized", "anonymised", "anon", "-1", "-999", "xxx", "redacted",
    "removed", "deidentified", "not recorded", "unspecified", "blank", "no id", "unknown patient",
    "#ref!", "#value!", "#name?", "#div/0!", "#num!", "\\n", "-99", "-9999", "-0", "not provided",
    "not applicable", "not given", "no data", "no patient id", "tbd", "tba", "withheld", "patient",
    "anonymous patient", "unbekannt", "k.a.", "inconnu", "desconocido",
))  # fmt: skip
_SEPARATORS = re.compile(r"[\W_]+")
_RUNS = re.compile(r"\d+|[^\W\d_]+")  # of digits or letters
_ZEROS = re.compile(r"0+")
_FLOAT = re.compile(r"(-?\d+)\.0+")  # how a spreadsheet writes a whole number beside an empty cell
_ROUNDED = re.compile(r"\d(?:[.,]\d+)?e\+\d+", re.IGNORECASE)

_FILMS_OF_A_PATIENT = 10  # in a folder, at most, where the folder alone tells the patient
_NOBODYS_FOLDERS = frozenset((
    "", *CLASS_WORDS, *SPLIT_WORDS, "image", "images", "img", "imgs", "film", "films", "xray",
    "xrays", "png", "jpg", "jpeg",
))  # fmt: skip

_LARGE_SHARE = 0.1
_LARGE_FILMS = 10
_SHOWN = 3  # words in a sentence


@dataclass(frozen=True)
class PatientIds:
    """The patients of some films.

    Attributes:
        of: Patient by path.
        notes: What was in doubt, as sentences for the user.
    """

    of: dict[str, str]
    notes: list[str]


def written_id(value: str, where: str) -> str:
    """Returns an id as it is compared: composed, whole numbers without a decimal point.

    Args:
        value: Cell of a table.
        where: File and line, for the message.

    Returns:
        The id, or an empty string for a word that means no id.

    Raises:
        DataError: If a spreadsheet has rounded the id, so that several patients share it.
    """
    plain = composed(value.strip())
    if _ROUNDED.fullmatch(plain):
        raise DataError(
            f"{where}: the patient_id '{value}' was rounded by a spreadsheet; write all its digits"
        )
    number = _FLOAT.fullmatch(plain)
    plain = number[1] if number else plain
    is_none = plain in _ANONYMOUS or _bare(plain) in _NO_ID or _ZEROS.fullmatch(plain)
    return "" if is_none else plain


def _bare(word: str) -> str:
    """Returns a word without case and separators: `(N / A)` is `na`."""
    return _SEPARATORS.sub("", word.lower())


# Numbers among them are told with their sign: `1` is somebody.
_NO_ID = frozenset(_bare(word) for word in MISSING_WORDS | _ANONYMOUS if not word.startswith("-"))


def identify_patients(
    paths: Sequence[str], written: Mapping[str, str], rules: FileNameRules
) -> PatientIds:
    """Names the patient of every film.

    Where no id is written the file name decides; if other films of that name's patient have an
    id, it is theirs. A name that tells no patient is a patient of its own.

    Args:
        paths: Of the films.
        written: Ids of a manifest by path, empty where none is known.
        rules: For file names.

    Returns:
        A patient for each path.
    """
    told = {path: rules.patient_of(path) for path in paths}
    ids_of_name: dict[str, set[str]] = defaultdict(set)
    for path, name in told.items():
        if name and written.get(path):
            ids_of_name[name].add(written[path])
    of: dict[str, str] = {}
    unnamed = _unnamed(paths)
    for path, name in told.items():
        known = ids_of_name[name] if name else set()
        by_name = next(iter(known)) if len(known) == 1 else name
        of[path] = written.get(path) or by_name or unnamed[path]
    untold = [path for path in paths if not written.get(path) and not told[path]]
    notes = _untold_notes(untold, of)
    surely = [of[path] for path in paths if written.get(path) or told[path]]
    one_of, spelling_notes = one_spelling(surely)
    return PatientIds(
        {path: one_of.get(patient, patient) for path, patient in of.items()},
        [*notes, *spelling_notes],
    )


def one_spelling(patients: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Makes one patient of ids that differ in case, separators or leading zeros alone.

    Two people taken for one cost nothing but a less even split; one taken for two would be on
    both sides of it.

    Args:
        patients: Ids of one site.

    Returns:
        The id to use by each that is spelled otherwise, and at most one sentence.
    """
    spellings: dict[str, set[str]] = defaultdict(set)
    for patient in patients:
        spellings[plain_spelling(patient)].add(patient)
    several = sorted(sorted(found) for found in spellings.values() if len(found) > 1)
    if not several:
        return {}, []
    first, other, *_ = several[0]
    ids = "1 patient id is" if len(several) == 1 else f"{len(several):,} patient ids are"
    note = (
        f"{ids} spelled in more than one way, such as '{first}' and '{other}': each counts as one "
        "patient."
    )
    return {other: first for first, *others in several for other in others}, [note]


def plain_spelling(patient: str) -> str:
    """Returns an id without case, separators and leading zeros: `P-017` is `p 17`."""
    words = _RUNS.findall(patient.lower())
    return " ".join(word.lstrip("0") or "0" for word in words) or patient


def _unnamed(paths: Sequence[str]) -> dict[str, str]:
    """Returns the patient of films whose names tell none: the stem, or a folder above.

    A copy is of the patient of the film it was made from.

    Films called alike in small folders of their own, as `case A/1.png` and `case B/1.png`, are the
    films of as many patients, with all else in these folders. Where one of them lies in the folder
    of a class or a split itself, as `1.png` beside `augmented/1.png`, they are one film or several.
    """
    films_below = Counter(folder for path in paths for folder in _folders_above(path))
    own = {path: _own_folder(path, films_below) for path in paths}
    folders: dict[str, set[str]] = defaultdict(set)
    for path in paths:
        folders[original_stem(path)].add(own[path])
    of_patients = {
        folder
        for alike in folders.values()
        if len(alike) > 1 and "" not in alike
        for folder in alike
    }
    return {
        path: posixpath.basename(own[path]) if own[path] in of_patients else original_stem(path)
        for path in paths
    }


def _folders_above(path: str) -> list[str]:
    """Returns the folders of a film, the uppermost first, as paths."""
    parts = composed(posixpath.dirname(path)).split("/")
    return ["/".join(parts[: depth + 1]) for depth in range(len(parts))]


def _own_folder(path: str, films_below: Mapping[str, int]) -> str:
    """Returns the uppermost folder that may be one patient's, or an empty string."""
    for folder in _folders_above(path):
        name = posixpath.basename(folder).strip().lower()
        if films_below[folder] <= _FILMS_OF_A_PATIENT and name not in _NOBODYS_FOLDERS:
            return folder
    return ""


def _untold_notes(untold: Sequence[str], of: Mapping[str, str]) -> list[str]:
    if not untold:
        return []
    whole = len(untold) == len(of)
    share = "No file name" if whole else f"The name of {len(untold):,} of {len(of):,} films"
    tells = "tells the patient" if whole else "tells no patient"
    one = "every film" if whole else "each"
    by_folder = any(of[path] != original_stem(path) for path in untold)
    same = len({of[path] for path in untold}) < len(untold) and not by_folder
    alike = (
        ", films called alike in small folders to the patient of the folder" if by_folder else ""
    )
    alike = ", films of the same name as one" if same else alike
    return [
        f"{share} {tells} (data.patient_pattern), such as '{untold[0]}': {one} counts as a patient "
        f"of its own{alike}; set the pattern, or write patient_id in a manifest."
    ]


def missing_id_notes(cells: Sequence[str], manifest: str) -> list[str]:
    """Says how many rows have no patient id although the column is there.

    Args:
        cells: What is written where no id is.
        manifest: File name.

    Returns:
        At most one sentence.
    """
    if not cells:
        return []
    words = [f"'{word}'" if word else "nothing" for word, _ in Counter(cells).most_common(_SHOWN)]
    films = "1 film has" if len(cells) == 1 else f"{len(cells):,} films have"
    return [
        f"{films} no patient id in {manifest}, where {', '.join(words)} is written: the file name "
        "decides."
    ]


def patient_notes(films: Sequence[Film]) -> list[str]:
    """Says what is odd about the patients: one with very many films, or with both classes.

    Args:
        films: All films.

    Returns:
        Sentences for the user.
    """
    notes = []
    (patient, count), *_ = Counter(film.patient_id for film in films).most_common(1) or [("", 0)]
    if count >= _LARGE_FILMS and count > _LARGE_SHARE * len(films):
        notes.append(
            f"The patient '{patient}' has {count:,} of {len(films):,} films "
            f"({count / len(films):.0%}): check the ids or data.patient_pattern."
        )
    labels: dict[str, set[str]] = defaultdict(set)
    for film in films:
        labels[film.patient_id].add(film.label)
    both = sorted(patient for patient, found in labels.items() if len(found) > 1)
    if both:
        have = "1 patient has" if len(both) == 1 else f"{len(both):,} patients have"
        notes.append(f"{have} films of both classes, such as '{both[0]}': check that it is so.")
    return notes
