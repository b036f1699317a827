"""Which film goes to train, eval or test: by patient, never by image.

A split is carved by putting the patients of a kind in an order that only the seed and
their names decide, and cutting that order at the fractions. A patient's place does not
depend on the order of the files, and films added elsewhere move only who is at a cut. Where films
come in spans nobody may move, or the test films of one run would teach the next: there the hash by
which patients are ordered is held against the fractions itself, and shares are only about right.
A stress test split is cut from an order by acquisition instead, again within each kind, so
that either test split holds the classes in the same proportion.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from models.features import EVAL, LABELS, SPLITS, TEST, TRAIN
from radiographs.acquisition import largest_differences, strangeness
from radiographs.errors import DataError
from radiographs.films import Film
from radiographs.options import BY_STYLE, NO_STRESS, IngestOptions
from radiographs.patient_ids import plain_spelling
from radiographs.style_splits import hold_out
from radiographs.styles import Place

# Fewer groups of a site and subtype than this are not cut on their own but with the rest of their
# site or class: the fractions of so few are mostly rounding.
_MIN_GROUPS_PER_STRATUM = 20

# Returns the acquisition statistics by path; a file that is no usable film is left out.
StatisticsOf = Callable[[Sequence[str]], Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class SplitPlan:
    """Where each film goes, and why.

    Attributes:
        split_of: One of `SPLITS` by path.
        notes: What was decided, as sentences for the user.
        carved: The splits that were cut from the train films; empty if all were given.
        places: Style of each usable film, where the split was made by it.
        style_agreement: Of halves of the films, as `Styles` has it, where there are `places`.
    """

    split_of: dict[str, str]
    notes: list[str]
    carved: tuple[str, ...]
    places: Mapping[str, Place] = field(default_factory=dict)
    style_agreement: float = math.nan


@dataclass(frozen=True)
class _Group:
    """Patients that have to stay together, mostly a single one."""

    films: list[Film]

    @cached_property
    def patients(self) -> set[str]:
        return {film.patient_id for film in self.films}

    @cached_property
    def name(self) -> str:
        return min(self.patients)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        return tuple(sorted({film.label for film in self.films}))

    @cached_property
    def subtypes(self) -> tuple[str, ...]:
        return tuple(sorted({film.subtype for film in self.films}))

    @cached_property
    def sites(self) -> tuple[str, ...]:
        return tuple(sorted({film.site for film in self.films}))

    def rank(self, seed: int) -> bytes:
        return hashlib.sha256(f"{seed}/{self.name}".encode()).digest()

    def place(self, seed: int) -> float:
        """Returns a number in [0, 1) that does not depend on how a span spells the patient."""
        name = min(map(plain_spelling, self.patients))
        digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
        return int.from_bytes(digest[:6], "big") / 256**6


def assign_splits(
    films: Sequence[Film],
    options: IngestOptions,
    identical: Iterable[Sequence[str]] = (),
    statistics_of: StatisticsOf | None = None,
    places: Mapping[str, Place] | None = None,
    *,
    site_by_site: bool = False,
    lasting: bool = False,
) -> SplitPlan:
    """Assigns every film to train, eval or test.

    With `data.split=auto` a given test split stays, a given eval split stays if it has
    enough films of either class and joins train otherwise, and what is missing is carved
    from train by patient. `given` keeps the splits as they are, `by_patient` ignores them, and
    `style` takes whole styles as test, see `radiographs.style_splits`.

    With `data.stress_split` one carved split takes the patients of each kind whose films differ
    most in acquisition. Those without usable films are left to the other splits.

    Args:
        films: The films; paths are unique.
        options: Mode, fractions, seed.
        identical: Groups of paths that are one film; the patients of such a group stay together
            where splits are carved.
        statistics_of: Measures films for the stress split; called only if that is carved.
        places: Style of each usable film by path, for a split by style.
        site_by_site: Whether each site may have given splits of its own; what one lacks is carved
            from its films.
        lasting: Whether no other film may move a patient to another split; not for a stress split.

    Returns:
        The split of each film, and the decisions in words.

    Raises:
        DataError: If a split would lack a class, or has too few patients to be carved.
        ValueError: If the stress split is asked for without `statistics_of`.
    """
    given, notes = _given_splits(films, options, site_by_site)
    split_of, places = given, places or {}
    if lasting and (options.split == BY_STYLE or options.stress_split != NO_STRESS):
        notes.append(
            "Patients are chosen anew as spans come in, since the split goes by how films were "
            "taken: a model may be tested on films that an earlier one has learned from."
        )
    if options.split == BY_STYLE:
        together = [group.films for group in _group(films, identical)]
        held_out, why = hold_out(together, places, options)
        split_of = given | dict.fromkeys(held_out, TEST)
        notes.append(why)
    lacking = _lacking(films, split_of, options, site_by_site)
    carved = tuple(name for name in (EVAL, TEST) if any(name in names for names, _ in lacking))
    notes += _staying_notes(films, given, carved, options)
    for missing, members in lacking:
        there = [film for film in members if split_of[film.path] == TRAIN]
        elsewhere = {film.patient_id for film in films if split_of[film.path] != TRAIN}
        groups = _group(there, identical)
        free = [group for group in groups if group.patients.isdisjoint(elsewhere)]
        _check_patients(free, missing, bool(elsewhere) and options.split != BY_STYLE)
        statistics = _statistics(free, missing, options, statistics_of)
        split_of = split_of | _carve(
            free, missing, options, _strangeness_of(free, statistics), lasting
        )
        notes += _carving_notes(there, groups, elsewhere, split_of, missing)
        notes += _stress_notes(there, split_of, options.stress_split, statistics)
    _check_classes(films, split_of, options)
    return SplitPlan(split_of, notes, carved, places)


def _lacking(
    films: Sequence[Film], split_of: Mapping[str, str], options: IngestOptions, site_by_site: bool
) -> list[tuple[tuple[str, ...], list[Film]]]:
    """Returns the splits to be carved, and the films to carve them from.

    Sites that lack the same are carved together.
    """
    if options.split == "given":
        return []
    apart = site_by_site and options.split != BY_STYLE  # which takes test from some sites alone
    present: dict[str, set[str]] = defaultdict(set)
    for film in films:
        present[film.site if apart else ""].add(split_of[film.path])
    lacking: dict[tuple[str, ...], list[Film]] = defaultdict(list)
    for film in films:
        there = present[film.site if apart else ""]
        lacking[tuple(name for name in (EVAL, TEST) if name not in there)].append(film)
    return [(missing, members) for missing, members in sorted(lacking.items()) if missing]


def _given_splits(
    films: Sequence[Film], options: IngestOptions, site_by_site: bool
) -> tuple[dict[str, str], list[str]]:
    """Returns the given splits that are respected, train for all other films, and notes."""
    given = {film.path: film.given_split or TRAIN for film in films}
    with_some = {film.site for film in films if film.given_split}
    if not with_some:
        return given, ["No splits are given."]
    concerned = [film for film in films if film.site in with_some or not site_by_site]
    without = sum(not film.given_split for film in concerned)
    if options.split in ("by_patient", BY_STYLE):
        note = f"The given splits are ignored (data.split={options.split})."
        return dict.fromkeys(given, TRAIN), [note]
    notes = []
    if without:
        notes.append(
            f"No split is given for {without:,} of {len(concerned):,} films: they count as train."
        )
    if options.split == "auto" and EVAL in given.values():
        counts = Counter(film.label for film in _films_in(EVAL, films, given))
        label = min(LABELS, key=lambda name: counts[name])
        if counts[label] < options.min_eval_films_per_class:
            notes.append(
                f"The given eval split has {counts[label]:,} {label} films, fewer than "
                f"data.min_eval_films_per_class={options.min_eval_films_per_class}: it joins train."
            )
            given = {path: TRAIN if name == EVAL else name for path, name in given.items()}
    return given, notes


def _films_in(name: str, films: Sequence[Film], split_of: Mapping[str, str]) -> list[Film]:
    return [film for film in films if split_of[film.path] == name]


def _amount(films: Sequence[Film]) -> str:
    patients = len({film.patient_id for film in films})
    return f"{len(films):,} films of {patients:,} patients"


def _staying_notes(
    films: Sequence[Film],
    split_of: Mapping[str, str],
    carved: Sequence[str],
    options: IngestOptions,
) -> list[str]:
    staying = [name for name in (EVAL, TEST) if name in split_of.values()]
    notes = [
        f"The given {name} split stays: {_amount(_films_in(name, films, split_of))}."
        for name in staying
    ]
    stress = options.stress_split
    if stress != NO_STRESS and stress not in carved:
        notes.append(f"data.stress_split={stress} has no effect: that split is not carved.")
    return notes


def _statistics(
    groups: Sequence[_Group],
    carved: Sequence[str],
    options: IngestOptions,
    statistics_of: StatisticsOf | None,
) -> Mapping[str, np.ndarray]:
    """Returns the statistics by path of the films of the groups; none for a random split."""
    if options.stress_split not in carved:
        return {}
    if statistics_of is None:
        raise ValueError("data.stress_split needs statistics_of to measure the films")
    return statistics_of(sorted(film.path for group in groups for film in group.films))


def _strangeness_of(
    groups: Sequence[_Group], statistics: Mapping[str, np.ndarray]
) -> dict[str, float]:
    """Returns how far each group with statistics is from the others, by name."""
    paths = {
        group.name: sorted(film.path for film in group.films if film.path in statistics)
        for group in groups
    }
    measured = sorted((group for group in groups if paths[group.name]), key=lambda g: g.name)
    if not measured:
        return {}
    means = [np.mean([statistics[path] for path in paths[g.name]], axis=0) for g in measured]
    films = [[sum(film.label == label for film in g.films) for label in LABELS] for g in measured]
    # Rounded, so that groups as strange as each other are in the order of their ranks.
    values = strangeness(np.array(means), np.array(films)).round(9)
    return dict(zip((group.name for group in measured), values, strict=True))


def _carve(
    groups: Sequence[_Group],
    carved: Sequence[str],
    options: IngestOptions,
    strangeness_of: Mapping[str, float],
    lasting: bool,
) -> dict[str, str]:
    """Returns the split by path of the films of the groups, which were in train so far."""
    chosen: dict[str, list[_Group]] = {name: [] for name in (*carved, TRAIN)}
    for stratum in _strata(sorted(groups, key=lambda group: group.rank(options.seed))):
        for name, part in _cut(stratum, carved, options, strangeness_of, lasting).items():
            chosen[name] += part
    _give_each_its_classes(chosen)
    return {
        film.path: name for name, parts in chosen.items() for group in parts for film in group.films
    }


def _carving_notes(
    train: Sequence[Film],
    groups: Sequence[_Group],
    elsewhere: set[str],
    split_of: dict[str, str],
    carved: Sequence[str],
) -> list[str]:
    notes = []
    together = sum(len(group.patients) for group in groups if len(group.patients) > 1)
    if together:
        notes.append(f"{together:,} patients share films with others: they stay together.")
    overlapping = elsewhere & {film.patient_id for film in train}
    if overlapping:
        notes.append(
            f"{len(overlapping):,} patients of train also have films in a given split: they stay "
            "in both."
        )
    for name in carved:
        amount = _amount(_films_in(name, train, split_of))
        notes.append(f"{name} is carved from {_amount(train)} by patient: {amount}.")
    return notes


def _stress_notes(
    train: Sequence[Film],
    split_of: Mapping[str, str],
    stress: str,
    statistics: Mapping[str, np.ndarray],
) -> list[str]:
    chosen = [film for film in train if split_of[film.path] == stress]
    inside = [statistics[film.path] for film in chosen if film.path in statistics]
    outside = [values for path, values in statistics.items() if split_of[path] != stress]
    if not inside or not outside:
        return []
    differences = largest_differences(np.array(inside), np.array(outside))
    patients = len({film.patient_id for film in chosen})
    return [
        f"{stress} holds the {patients:,} patients whose films differ most in acquisition "
        f"(data.stress_split={stress}): "
        + (f"{differences} elsewhere." if differences else "all films are alike.")
    ]


def _group(films: Sequence[Film], identical: Iterable[Sequence[str]]) -> list[_Group]:
    """Joins patients that share a file, also by way of third ones."""
    patients = sorted({film.patient_id for film in films})
    number = {patient: index for index, patient in enumerate(patients)}
    number_of_path = {film.path: number[film.patient_id] for film in films}
    shared = [
        [number_of_path[path] for path in same if path in number_of_path] for same in identical
    ]
    edges = np.array([pair for same in shared for pair in pairwise(same)], int).reshape(-1, 2)
    graph = coo_array((np.ones(len(edges)), tuple(edges.T)), shape=(len(patients), len(patients)))
    _, component = connected_components(graph, directed=False)
    members: dict[int, list[Film]] = defaultdict(list)
    for film in films:
        members[component[number_of_path[film.path]]].append(film)
    return [_Group(group) for group in members.values()]


def _check_patients(groups: Sequence[_Group], carved: Sequence[str], some_given: bool) -> None:
    needed = len(carved) + 1
    splits = f"{', '.join((TRAIN, *carved[:-1]))} and {carved[-1]}"
    for label in LABELS:
        count = sum(label in group.labels for group in groups)
        if count < needed:
            outside = " outside the given splits" if some_given else ""
            raise DataError(
                f"the {label} films come from {count} separate patients{outside}, but "
                f"{splits} need at least {needed}; add films of more patients, or check "
                "data.patient_pattern"
            )


def _cut(
    stratum: Sequence[_Group],
    carved: Sequence[str],
    options: IngestOptions,
    strangeness_of: Mapping[str, float],
    lasting: bool,
) -> dict[str, list[_Group]]:
    """Cuts a stratum, which is in the order of ranks, into the carved splits and train."""
    fractions = {EVAL: options.eval_fraction, TEST: options.test_fraction}
    if not strangeness_of:
        wanted = {name: fractions[name] for name in carved}
        return _cut_by_hash(wanted, stratum, options.seed) if lasting else _cut_at(wanted, stratum)
    # Sorting keeps the ranks among equals; a group that could not be measured comes last.
    by_strangeness = sorted(
        stratum, key=lambda group: strangeness_of.get(group.name, -np.inf), reverse=True
    )
    stress = options.stress_split
    parts = _cut_at({stress: fractions[stress]}, by_strangeness)
    rest = sorted(parts[TRAIN], key=lambda group: group.rank(options.seed))
    share = 1 - fractions[stress]
    of_rest = {name: fractions[name] / share for name in carved if name != stress}
    return parts | _cut_at(of_rest, rest)


def _cut_at(fractions: Mapping[str, float], groups: Sequence[_Group]) -> dict[str, list[_Group]]:
    """Cuts groups in their order; a group goes where its middle film falls, the last to train."""
    sizes = np.array([len(group.films) for group in groups])
    middles = (np.cumsum(sizes) - sizes / 2) / sizes.sum()
    return _parts(fractions, groups, middles)


def _cut_by_hash(
    fractions: Mapping[str, float], groups: Sequence[_Group], seed: int
) -> dict[str, list[_Group]]:
    """Cuts groups at their own places, whatever other groups there are."""
    return _parts(fractions, groups, np.array([group.place(seed) for group in groups]))


def _parts(
    fractions: Mapping[str, float], groups: Sequence[_Group], places: np.ndarray
) -> dict[str, list[_Group]]:
    names = (*fractions, TRAIN)
    indices = np.searchsorted(np.cumsum(list(fractions.values())), places)
    parts: dict[str, list[_Group]] = {name: [] for name in names}
    for group, index in zip(groups, indices, strict=True):
        parts[names[index]].append(group)
    return parts


# What groups of a stratum have in common, the finest first; the last does for any number of them.
_KINDS: tuple[Callable[[_Group], Hashable], ...] = (
    lambda group: (group.labels, group.sites, group.subtypes),
    lambda group: (group.labels, group.sites),
    lambda group: group.labels,
)


def _strata(groups: Sequence[_Group]) -> Iterator[list[_Group]]:
    """Yields groups of a kind; where they are few, with those of a coarser kind."""
    for kind_of in _KINDS:
        strata: dict[Hashable, list[_Group]] = defaultdict(list)
        for group in groups:
            strata[kind_of(group)].append(group)
        large = [
            stratum
            for stratum in strata.values()
            if len(stratum) >= _MIN_GROUPS_PER_STRATUM or kind_of is _KINDS[-1]
        ]
        yield from large
        done = {group.name for stratum in large for group in stratum}
        groups = [group for group in groups if group.name not in done]


def _give_each_its_classes(chosen: dict[str, list[_Group]]) -> None:
    """Moves a group of each class a split lacks, from the split that has most of them.

    That split has at least two, as there are as many groups of a class as splits. A group of
    that class alone goes first, so that no other class is taken away.
    """
    for label in LABELS:
        having = {
            name: [group for group in groups if label in group.labels]
            for name, groups in chosen.items()
        }
        for name, groups in having.items():
            if not groups:
                donor = max(having, key=lambda other: len(having[other]))
                moved = min(
                    having[donor],
                    key=lambda group: (len(group.labels), len(group.films)),
                )
                having[donor].remove(moved)
                chosen[donor].remove(moved)
                groups.append(moved)
                chosen[name].append(moved)


def _check_classes(films: Sequence[Film], split_of: dict[str, str], options: IngestOptions) -> None:
    present = {(split_of[film.path], film.label) for film in films}
    remedy = {
        "given": "set data.split=auto to carve what is missing",
        "auto": "set data.split=by_patient to ignore the given splits",
    }
    for name in SPLITS:
        for label in LABELS:
            if (name, label) not in present:
                raise DataError(
                    f"the {name} split has no {label} films; add some, or "
                    f"{remedy.get(options.split, 'add patients')}"
                )
