"""Plans and reads a folder as the ingest does, and goes on where the ingest would stop.

Each step is the ingest's own function. What one of them raises is kept as a reason to stop, and the
rest is looked at with what is known, so that a user sees all that is wrong at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from models.features import SPLITS
from radiographs.data_roots import DataRoot, read_layout
from radiographs.errors import DataError
from radiographs.excluded import read_excluded, set_aside, still_films
from radiographs.films import Film
from radiographs.identical import find_identical_files
from radiographs.ingest_account import kept_films
from radiographs.ingest_plan import plan_splits
from radiographs.inspect.reading import ReadFilms, read_films
from radiographs.label_conflicts import settle_label_conflicts
from radiographs.layouts import Layout
from radiographs.leaks import Anomaly, absent_classes, breach_sentence, leaks, without_films
from radiographs.local_roots import LocalRoot
from radiographs.measures import FilmFiles
from radiographs.near_duplicates import near_duplicates
from radiographs.options import BY_STYLE, IGNORE, IngestOptions
from radiographs.overrides import ConfigError
from radiographs.quarantine import refuse_too_many
from radiographs.splits import SplitPlan
from radiographs.spread import Tell, in_this_process


@dataclass
class Inspection:
    """What was found, as far as it went.

    Attributes:
        stops: Why the ingest or the data gate would stop: step and sentence, in order.
        layout: The films and ignored files, without label conflicts where these are dropped; None
            where no films could be told.
        identical: Groups of paths whose files have the same bytes.
        near_duplicates: Groups of paths of films that show the same picture in other files.
        plan: The split of each film; None where there is none.
        films: What the files hold.
        anomalies: What the data gate would refuse.
    """

    stops: list[tuple[str, str]] = field(default_factory=list)
    layout: Layout | None = None
    identical: list[list[str]] = field(default_factory=list)
    near_duplicates: list[list[str]] = field(default_factory=list)
    plan: SplitPlan | None = None
    films: ReadFilms = field(default_factory=ReadFilms)
    anomalies: list[Anomaly] = field(default_factory=list)

    @property
    def kept(self) -> list[Film]:
        """The usable films."""
        return kept_films(self.layout, self.films.unusable) if self.layout else []

    def split_of(self, path: str) -> str:
        """Returns the split of a film; empty where there is no plan."""
        return self.plan.split_of[path] if self.plan else ""


def inspect_films(
    root: DataRoot, options: IngestOptions, tell: Tell = lambda what, films: lambda done: None
) -> Inspection:
    """Looks at a folder of films.

    Args:
        root: Of the films; nothing is written there.
        options: As the ingest would have them.
        tell: For a progress bar.

    Returns:
        What was found.

    Raises:
        ConfigError: If the split asked for takes more than the films, or the list of films to leave
            out is remote.
    """
    if options.split == BY_STYLE:
        raise ConfigError(
            "data.split=style needs the network that finds lungs, which only a run has; inspect "
            "with another data.split"
        )
    if "://" in options.exclude_films:
        raise ConfigError(
            f"the list {options.exclude_films} is on another machine, which only a run reads from; "
            "inspect with a copy of it as data.exclude_films"
        )
    found = Inspection()
    try:
        layout = read_layout(root, options)
    except DataError as error:
        found.stops.append(("layout", str(error)))
        return found
    paths = [film.path for film in layout.films]
    files = FilmFiles(root, options, in_this_process(tell))
    files.measure(paths)
    identical = find_identical_files(files, paths)
    layout = _without_excluded(found, layout, identical, files)
    found.identical = still_films(identical, layout)
    found.layout = _settled(found, layout, options)
    found.plan = _planned(found, found.layout, files)
    films = found.layout.films
    found.films = read_films(root, films, options, tell("films read", len(films)))
    if options.near_duplicates != IGNORE:
        digests = {path: facts.sha256 for path, facts in found.films.facts.items()}
        alike = near_duplicates(found.films.prints, digests, files.show_one_film)
        found.near_duplicates = alike
    _judge(found, found.layout, options)
    return found


def _without_excluded(
    found: Inspection,
    layout: Layout,
    identical: Sequence[Sequence[str]],
    files: FilmFiles,
) -> Layout:
    try:
        excluded = read_excluded(files.options.exclude_films, LocalRoot("").content)
        return set_aside(files, layout, identical, excluded)
    except DataError as error:
        found.stops.append(("excluded films", str(error)))
        return layout


def _settled(found: Inspection, layout: Layout, options: IngestOptions) -> Layout:
    try:
        return settle_label_conflicts(layout, found.identical, options)
    except DataError as error:
        found.stops.append(("labels", str(error)))
        return layout


def _planned(found: Inspection, layout: Layout, files: FilmFiles) -> SplitPlan | None:
    try:
        return plan_splits(files, layout, found.identical)
    except DataError as error:
        found.stops.append(("splits", str(error)))
        return None


def _judge(found: Inspection, layout: Layout, options: IngestOptions) -> None:
    """Says where too many files are unusable, and what the data gate would refuse."""
    try:
        refuse_too_many(found.films.unusable, len(layout.films), options)
    except DataError as error:
        found.stops.append(("quarantine", str(error)))
    if found.plan:
        found.anomalies = list(_anomalies(found, found.plan))
    if found.anomalies:
        found.stops.append(("data gate", breach_sentence(found.anomalies)))


def _anomalies(found: Inspection, plan: SplitPlan) -> Iterator[Anomaly]:
    by_split = {
        split: [film for film in found.kept if plan.split_of[film.path] == split]
        for split in SPLITS
    }
    for split, films in by_split.items():
        if films:
            yield from absent_classes(split, {film.label for film in films})
        else:
            yield without_films(split)
    yield from leaks(
        {
            split: [(film.patient_id, found.films.facts[film.path].sha256) for film in films]
            for split, films in by_split.items()
        }
    )
