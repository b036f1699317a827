"""Which styles are held out as test: whole ones, so that a model is asked of films of another kind.

A random split shares the styles of acquisition with train, and with them what goes with the class.
Patients are never divided: one with a film of a style that is held out is held out with all films.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from models.features import LABELS
from radiographs.errors import DataError
from radiographs.films import Film
from radiographs.options import IngestOptions
from radiographs.styles import Place

_LEAST_GROUPS = 2  # with films of a class, that have to be left for train and eval

Groups = Sequence[Sequence[Film]]


def hold_out(
    groups: Groups, places: Mapping[str, Place], options: IngestOptions
) -> tuple[list[str], str]:
    """Chooses the films to hold out.

    Args:
        groups: Films that have to stay together: those of a patient, or of several.
        places: Style of each usable film, by path.
        options: `test_styles`.

    Returns:
        Paths of the films, and a note for the user.

    Raises:
        DataError: If fewer than two styles have films of both classes, a style that is named is
            none, or what is left cannot be trained on.
    """
    style_of = {path: style for path, (style, _) in places.items()}
    counts = _counts(groups, style_of)
    both = [style for style, count in counts.items() if all(count[label] for label in LABELS)]
    if len(both) < 2:
        raise DataError(
            "data.split=style takes two styles with films of both classes, one to learn from and "
            f"one to test, but the films have {_told(counts)}; use data.split=by_patient"
        )
    for styles in _candidates(counts, both, options):
        out = [group for group in groups if any(style_of.get(one.path) in styles for one in group)]
        if _leaves_enough(groups, out):
            return [film.path for group in out for film in group], _note(styles, out, style_of)
    raise DataError(
        "data.split=style leaves too few films of some class to learn from, as a patient with a "
        f"film of a style held out is held out whole, and the films have {_told(counts)}; use "
        "data.split=by_patient, or name other data.test_styles"
    )


def _candidates(
    counts: Mapping[str, Counter[str]], both: Sequence[str], options: IngestOptions
) -> Iterator[set[str]]:
    """Yields what may be held out, the best first: recall and specificity both want films."""
    if not options.test_styles:
        by_rarer = sorted(both, key=lambda style: -min(counts[style][label] for label in LABELS))
        yield from ({style} for style in by_rarer)
        return
    named = {str(style) for style in options.test_styles}
    for style in sorted(named - set(counts)):
        raise DataError(
            f"data.test_styles names {style}, but the films have {_told(counts)}; name one of these"
        )
    for label in LABELS:
        if not any(counts[style][label] for style in named):
            raise DataError(
                f"data.test_styles names styles without {label} films, the films have "
                f"{_told(counts)}; name one more"
            )
    yield named


def _counts(groups: Groups, style_of: Mapping[str, str]) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = {style: Counter() for style in sorted(set(style_of.values()))}
    for film in (film for group in groups for film in group):
        if film.path in style_of:
            counts[style_of[film.path]][film.label] += 1
    return counts


def _leaves_enough(groups: Groups, out: Groups) -> bool:
    left: Counter[str] = Counter()
    for members, sign in ((groups, 1), (out, -1)):
        for group in members:
            for label in {film.label for film in group}:
                left[label] += sign
    return all(left[label] >= _LEAST_GROUPS for label in LABELS)


def _told(counts: Mapping[str, Counter[str]]) -> str:
    told = (
        f"style {style}: " + ", ".join(f"{count[label]:,} {label}" for label in LABELS)
        for style, count in counts.items()
    )
    return "; ".join(told) or "no style, as none is usable"


def _note(styles: set[str], out: Groups, style_of: Mapping[str, str]) -> str:
    films = [film for group in out for film in group]
    inside = sum(style_of.get(film.path) in styles for film in films)
    names = " and ".join(sorted(styles))
    patients = len({film.patient_id for film in films})
    others = f", and {len(films) - inside:,} other films of their patients" * (len(films) > inside)
    return (
        f"test holds all {inside:,} films of style {names}{others}: {patients:,} patients in all "
        "(data.split=style)."
    )
