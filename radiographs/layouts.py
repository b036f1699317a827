"""Which files below a data root are films, and what is known of each.

Three layouts are read: class folders, a manifest, which the tables of a public data set become, and
DICOM files with a table of labels; `radiographs.sites` reads several of them. All work on a
listing of relative paths, so any file system serves. No file is lost silently: one that is no film
is listed as ignored, with the reason, and what looks like a mistake is said.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from models.features import LABELS
from radiographs.dicom_films import with_tags
from radiographs.dicom_headers import Headers
from radiographs.dicom_labels import LabelTable, find_label_table
from radiographs.errors import DataError
from radiographs.file_names import FileNameRules, composed
from radiographs.films import Film
from radiographs.folder_hints import folder_hints, manifest_hints
from radiographs.folder_names import label_and_split
from radiographs.ignored import count_reasons, ignored_sentence, largest_folders
from radiographs.manifests import ManifestFilms, read_manifest
from radiographs.not_films import (
    HIDDEN,
    NO_PICTURE,
    Bystanders,
    doubtful_notes,
    is_hidden,
    is_no_picture,
)
from radiographs.options import IngestOptions
from radiographs.patient_ids import identify_patients
from radiographs.public_sets import PublicManifest, public_manifest
from radiographs.spans import Span
from radiographs.views import is_lateral

OUTSIDE_CLASS = "not in a class folder"
LATERAL = "named for a lateral view; frontal films are read"
NO_DICOM = "no DICOM file"
OTHER_NAME = "another name of a film that is read"


# How films were found: in a folder by itself, or in several folders.
Kind: TypeAlias = Literal["folders", "manifest", "dicom", "sites", "spans"]
OF_SEVERAL: tuple[Kind, ...] = ("sites", "spans")


@dataclass(frozen=True)
class Layout:
    """What lies below a data root.

    Attributes:
        kind: How the films were found.
        films: In the order of their paths.
        ignored: Files that are not films: path and reason. Where particulars follow the reason,
            a colon is between them.
        notes: What looks like a mistake, as sentences for the user.
        folders: Kind by folder, where several were read by themselves: of sites or spans.
        spans: That the films are of, in order; none where there are no spans.
        has_pseudonyms: Whether ids of patients were made by a key, and are not as they are written.
    """

    kind: Kind
    films: list[Film]
    ignored: list[tuple[str, str]]
    notes: list[str] = field(default_factory=list)
    folders: Mapping[str, Kind] = field(default_factory=dict)
    spans: tuple[Span, ...] = ()
    has_pseudonyms: bool = False

    def place_of(self, path: str) -> tuple[Kind, str]:
        """Returns the kind of the folder that a file was found in, and its path below that."""
        for folder, kind in self.folders.items():
            if path.startswith(f"{folder}/"):
                return kind, path.removeprefix(f"{folder}/")
        return self.kind, path

    def without(self, reasons: Mapping[str, str]) -> Layout:
        """Returns the layout with some of its films ignored.

        Args:
            reasons: Why, by path.
        """
        return replace(
            self,
            films=[film for film in self.films if film.path not in reasons],
            ignored=sorted([*self.ignored, *reasons.items()]),
        )


def read_films(
    paths: Sequence[str],
    read_text: Callable[[str], str],
    options: IngestOptions,
    links: Mapping[str, str] | None = None,
    headers: Headers | None = None,
) -> Layout:
    """Finds the films of a data root that is one folder of films.

    Args:
        paths: All files below the root, relative to it, with forward slashes.
        read_text: Returns the content of one of them; called for the manifest only.
        options: Which layout, and how to tell patient and subtype from a file name.
        links: The path of the file itself, for every path that leads to it by way of a link.
        headers: Of the files that are DICOM, by path.

    Returns:
        The films and the files that are none. Ids and paths are as they are written:
        `dicom_films.Hiding` takes them away.

    Raises:
        DataError: If the films cannot be told, or a class has none.
    """
    headers = headers or {}
    found = find_films(paths, read_text, options, headers)
    return with_links_and_headers(found, links or {}, headers)


def find_films(
    paths: Sequence[str],
    read_text: Callable[[str], str],
    options: IngestOptions,
    headers: Headers,
    needed: Collection[str] = LABELS,
) -> Layout:
    """Finds the films of a folder, without what links and headers say of them.

    Args:
        paths: As of `read_films`, and so are the others.
        read_text: Returns the content of one.
        options: Which layout.
        headers: Of the files that are DICOM.
        needed: Labels of which there has to be a film.

    Returns:
        The films and the files that are none.

    Raises:
        DataError: As `read_films`.
    """
    if not paths:
        raise DataError("the data root holds no files; put films there or change --data-root")
    _check_names(paths)
    rules = FileNameRules(options)
    labels = _find_labels(paths, read_text, options, headers)
    manifest = None if labels else _find_manifest(paths, options)
    public = None
    if not (labels or manifest or options.layout != "auto" or _has_class_folders(paths)):
        public = public_manifest(paths, read_text, options)
    if labels:
        return _read_dicom(labels, paths, rules, headers, needed)
    if manifest:
        return _read_manifest(manifest, paths, read_text(manifest), rules, headers, needed)
    if public:
        return _read_public(public, paths, rules, headers, needed)
    return _read_folders(paths, rules, headers, needed)


def with_links_and_headers(layout: Layout, links: Mapping[str, str], headers: Headers) -> Layout:
    """Takes each film once, and adds what DICOM tags say.

    Args:
        layout: Of one site.
        links: The path of the file itself, by path.
        headers: By path.

    Raises:
        DataError: If tags leave no film of a class.
    """
    layout = _each_file_once(layout, links) if links else layout
    return _with_headers(layout, headers) if headers else layout


def ignored_summary(layout: Layout) -> tuple[dict[str, int], dict[str, int]]:
    """Returns the number of ignored files by reason, and of the three folders with most."""
    films = [film.path for film in layout.films]
    return count_reasons(layout.ignored), largest_folders(layout.ignored, films)


def ignored_notes(layout: Layout) -> list[str]:
    """Returns what a user is told of ignored files: one sentence, or none."""
    sentence = ignored_sentence(*ignored_summary(layout))
    return [sentence] if sentence else []


def _find_labels(
    paths: Sequence[str], read_text: Callable[[str], str], options: IngestOptions, headers: Headers
) -> LabelTable | None:
    """Finds the table of labels of a DICOM tree, where that is what the root holds."""
    if options.layout in ("folders", "manifest") or not (headers or options.layout == "dicom"):
        return None
    if options.layout == "auto" and _has_sorted_pictures(paths, headers):
        return None
    table = find_label_table(paths, read_text, options, headers)
    if table is None and options.layout == "dicom":
        raise DataError(
            "the data root has no CSV of labels with a column AccessionNumber, SOPInstanceUID or "
            "PatientID and a column label; add it, or set data.manifest to its name"
        )
    return table


def _has_sorted_pictures(paths: Sequence[str], headers: Headers) -> bool:
    """Tells whether pictures lie in class folders, whatever DICOM file has strayed among them."""
    return any(
        label_and_split(path) and not is_no_picture(path) and not is_hidden(path)
        for path in paths
        if path not in headers
    )


def _read_dicom(
    labels: LabelTable,
    paths: Sequence[str],
    rules: FileNameRules,
    headers: Headers,
    needed: Collection[str],
) -> Layout:
    named = read_manifest(
        labels.name, paths, labels.text, rules, labels, _patients(headers), needed
    )
    known = {labels.name}
    known.update(path for film in named.films for path in (film.path, film.lesion_mask))
    known.update(path for path, _ in named.left_out)
    others = [
        (path, _reason_outside(path, labels.name, headers)) for path in paths if path not in known
    ]
    return Layout("dicom", named.films, sorted([*named.left_out, *others]), named.notes)


def _reason_outside(path: str, table: str, headers: Headers) -> str:
    if path in headers:
        return headers[path].aside or f"no row in {table}"
    return HIDDEN if is_hidden(path) else NO_DICOM


def _patients(headers: Headers) -> dict[str, str]:
    return {path: header.patient for path, header in headers.items()}


def _with_headers(layout: Layout, headers: Headers) -> Layout:
    """Adds what DICOM tags say, and ignores what is no film by them."""
    aside = {
        film.path: headers[film.path].aside
        for film in layout.films
        if film.path in headers and headers[film.path].aside
    }
    films, notes = with_tags(layout.without(aside).films, headers)
    for label in LABELS:
        if aside and not any(film.label == label for film in films):
            reason = next(iter(aside.values()))
            raise DataError(
                f"no film of {label} is left, as DICOM files are set aside by their tags, the "
                f"first one as {reason}; both classes are needed, so add films of it"
            )
    return replace(layout.without(aside), films=films, notes=[*layout.notes, *notes])


def _check_names(paths: Sequence[str]) -> None:
    for path in paths:
        try:
            path.encode()
        except UnicodeEncodeError:
            raise DataError(f"the file name {path!a} is not valid UTF-8; rename the file") from None


def _has_class_folders(paths: Iterable[str]) -> bool:
    """Tells whether somebody has sorted the files by class, whatever tables lie beside them."""
    return set(LABELS) <= {place[0] for path in paths if (place := label_and_split(path))}


def _find_manifest(paths: Sequence[str], options: IngestOptions) -> str | None:
    if options.layout == "folders":
        return None
    name = composed(options.manifest).lower()
    found = sorted(path for path in paths if composed(path).lower() == name)
    if len(found) > 1:
        both = " and ".join(f"'{path}'" for path in found)
        raise DataError(f"{both} may both be the manifest; remove or rename all but one")
    if not found and options.layout == "manifest":
        raise DataError(
            f"the data root has no {options.manifest}; add it, or set data.manifest or "
            "data.layout=folders"
        )
    return found[0] if found else None


def _each_file_once(layout: Layout, links: Mapping[str, str]) -> Layout:
    """Ignores further names of a film under the same label, and of what was ignored already.

    Under another label both names stay: the same bytes under both are a label conflict.
    """
    kept: dict[tuple[str, str], str] = {}
    further: dict[str, str] = {}
    # A file's own path goes before links to it.
    for film in sorted(layout.films, key=lambda film: (film.path in links, film.path)):
        first = kept.setdefault((links.get(film.path, film.path), film.label), film.path)
        if first != film.path:
            further[film.path] = f"{OTHER_NAME}: {first}"
    name_of = {real: path for (real, _), path in kept.items()}
    ignored = []
    for path, reason in layout.ignored:
        name = name_of.get(links.get(path, path))
        ignored.append((path, f"{OTHER_NAME}: {name}" if name else reason))
    return replace(layout, ignored=ignored).without(further)


def _read_folders(
    paths: Sequence[str], rules: FileNameRules, headers: Headers, needed: Collection[str]
) -> Layout:
    bystanders = Bystanders(paths)
    places: dict[str, tuple[str, str]] = {}
    ignored = []
    for path in sorted(paths):
        place = label_and_split(path)
        reason = bystanders.reason(path)
        if not reason and is_lateral(path):
            reason = LATERAL
        if not place and reason in ("", NO_PICTURE):
            reason = OUTSIDE_CLASS
        if place and not reason:
            places[path] = place
        else:
            ignored.append((path, reason))
    hints = [
        *folder_hints([path for path, reason in ignored if reason == OUTSIDE_CLASS], places),
        *manifest_hints(paths),
    ]
    _check_class_folders({label for label, _ in places.values()}, ignored, hints, needed)
    patients = identify_patients(list(places), _patients(headers), rules)
    films = [
        Film(
            path=path,
            label=label,
            subtype=rules.subtype_of(path, label),
            patient_id=patients.of[path],
            given_split=split,
        )
        for path, (label, split) in places.items()
    ]
    return Layout("folders", films, ignored, [*hints, *doubtful_notes(places), *patients.notes])


def _check_class_folders(
    found: set[str],
    ignored: Sequence[tuple[str, str]],
    hints: Sequence[str],
    needed: Collection[str],
) -> None:
    if not found:
        raise DataError(
            "the data root has no class folders NORMAL and PNEUMONIA, directly or below train, "
            f"val and test, and no manifest is read; {_advice(ignored, hints)}"
        )
    for label in needed:
        if label not in found:
            _refuse_emptied(label, ignored)
            hint = f": {hints[0].removesuffix('.')}" if hints else ", so add films of it"
            raise DataError(
                f"the class folder {label} is missing or has no images; both classes are needed"
                f"{hint}"
            )


def _refuse_emptied(label: str, ignored: Iterable[tuple[str, str]]) -> None:
    """Says so where a class has files, and all of them were set aside."""
    aside = [
        (path, reason)
        for path, reason in ignored
        if reason != HIDDEN and (label_and_split(path) or ("",))[0] == label
    ]
    if aside:
        path, reason = aside[0]
        raise DataError(
            f"all files in the class folder {label} are set aside, such as '{path}' ({reason}); "
            "both classes are needed, so add films of it, or rename those that are films"
        )


def _advice(ignored: Sequence[tuple[str, str]], hints: Sequence[str]) -> str:
    tops = sorted(
        {
            top
            for path, reason in ignored
            for top, slash, below in [path.partition("/")]
            if reason == OUTSIDE_CLASS and slash and label_and_split(below)
        }
    )
    if len(tops) > 1:
        return (
            f"they are in '{tops[0]}' and '{tops[1]}': make one of them --data-root or, where "
            "each is a hospital, set data.layout=sites"
        )
    for path, reason in ignored:
        folders = path.split("/")[:-1]
        for depth in range(1, len(folders)):
            if reason == OUTSIDE_CLASS and label_and_split("/".join(path.split("/")[depth:])):
                return f"they are in '{'/'.join(folders[:depth])}', so make that --data-root"
    return hints[0].removesuffix(".") if hints else "add them or change --data-root"


def _read_manifest(
    manifest: str,
    paths: Sequence[str],
    text: str,
    rules: FileNameRules,
    headers: Headers,
    needed: Collection[str],
) -> Layout:
    named = read_manifest(manifest, paths, text, rules, None, _patients(headers), needed)
    return _manifest_layout(manifest, [manifest], named, paths)


def _read_public(
    public: PublicManifest,
    paths: Sequence[str],
    rules: FileNameRules,
    headers: Headers,
    needed: Collection[str],
) -> Layout:
    known = _patients(headers)
    named = read_manifest(public.title, paths, public.text, rules, None, known, needed)
    named = replace(
        named,
        left_out=[*named.left_out, *public.left_out],
        notes=[*public.notes, *named.notes],
    )
    return _manifest_layout(public.title, public.tables, named, paths)


def _manifest_layout(
    name: str, tables: Sequence[str], named: ManifestFilms, paths: Sequence[str]
) -> Layout:
    """Returns what tables name, and all else as ignored."""
    known = {*tables, *(path for path, _ in named.left_out)}
    known.update(path for film in named.films for path in (film.path, film.lesion_mask))
    bystanders = Bystanders(paths)
    others = [
        (path, bystanders.reason(path) or f"not named in {name}")
        for path in paths
        if path not in known
    ]
    return Layout("manifest", named.films, sorted([*named.left_out, *others]), named.notes)
