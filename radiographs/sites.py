"""Several folders of films in one data root: sites, spans, or the sites of each span.

Each folder is read by itself, in whatever layout it has. A site is called by the name of its
folder. Two hospitals may both have a patient `17`, so a patient of one of several sites is known by
the site as well; the spans of a site share its patients.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from models.features import LABELS, UNKNOWN
from radiographs.dicom_headers import Headers
from radiographs.errors import DataError
from radiographs.file_names import composed
from radiographs.films import Film
from radiographs.folder_names import CLASS_WORDS, SPLIT_WORDS, folders_of, label_and_split
from radiographs.layouts import Layout, find_films, read_films, with_links_and_headers
from radiographs.not_films import HIDDEN, NO_PICTURE, is_hidden, is_no_picture
from radiographs.options import SITES, IngestOptions
from radiographs.patient_ids import one_spelling
from radiographs.sentences import with_quoted
from radiographs.spans import Window, span_number

OUTSIDE_SPANS = "not in the folder of a span"
OUTSIDE_SITES = "not in the folder of a site"
_MARK = "/"  # between site and patient, in an id


@dataclass(frozen=True)
class Files:
    """What is known of the files of a data root before its films are told.

    Attributes:
        paths: Of all files that are in the window of spans.
        text_of: Returns the content of one of them.
        links: The path of the file itself, for every path that leads to it by way of a link.
        headers: Of the files that are DICOM, by path.
        empty: Folders that hold nothing, so that a site without films is missed.
    """

    paths: Sequence[str]
    text_of: Callable[[str], str]
    links: Mapping[str, str] = field(default_factory=dict)
    headers: Headers = field(default_factory=dict)
    empty: Sequence[str] = ()


@dataclass(frozen=True)
class _Folder:
    """A folder that is read by itself.

    Attributes:
        path: Relative to the data root.
        site: That it is of; empty where the data root is of one site.
    """

    path: str
    site: str

    @property
    def title(self) -> str:
        """What a user is told of it."""
        return f"the folder '{self.path}', read as a data root of its own"


def read_all_films(files: Files, options: IngestOptions, window: Window) -> Layout:
    """Finds the films of a data root, which may hold several sites or spans.

    Args:
        files: Of the data root.
        options: Which layout, and whether top folders are sites.
        window: The spans that are read.

    Returns:
        The films and the files that are none. Patients are as they are written, see
        `tell_sites_apart`.

    Raises:
        DataError: If the films of a folder cannot be told, or a site lacks a class.
    """
    by_site = options.layout == SITES
    if not (by_site or window.spans):
        return read_films(files.paths, files.text_of, options, files.links, files.headers)
    folders, outside = _folders(files, options, window)
    sites = {
        site: _read_site([one for one in folders if one.site == site], files, options)
        for site in sorted({folder.site for folder in folders})
    }
    found = _joined(sites.values())
    notes = [*([window.note] if window.spans else ()), *(_sites_notes(sites) if by_site else ())]
    return replace(
        found,
        kind="sites" if by_site else "spans",
        ignored=sorted([*found.ignored, *outside]),
        notes=[*notes, *found.notes],
        spans=window.spans,
    )


def tell_sites_apart(layout: Layout) -> Layout:
    """Adds the site to each patient's id where there are several.

    Args:
        layout: With ids that are final otherwise, be they pseudonyms.
    """
    if layout.kind != "sites":
        return layout
    films = [replace(film, patient_id=_told_apart(film)) for film in layout.films]
    return replace(layout, films=films)


def id_within_site(patient_id: str, site: str) -> str:
    """Returns the id that a patient has in a site, whether or not the site was added to it."""
    return patient_id.removeprefix(f"{site}{_MARK}")


def _told_apart(film: Film) -> str:
    return f"{film.site}{_MARK}{film.patient_id}"


def _folders(
    files: Files, options: IngestOptions, window: Window
) -> tuple[list[_Folder], list[tuple[str, str]]]:
    """Returns the folders that are read by themselves, and what lies in none of them."""
    roots = [span.folder for span in window.spans] or [""]
    outside = []
    if window.spans:
        outside = _outside(_below(files.paths, ""), roots, OUTSIDE_SPANS, options)
    if options.layout != SITES:
        return [_Folder(root, "") for root in roots], outside
    folders = []
    for root in roots:
        below = _below(files.paths, root)
        hollow = _below((f"{folder}/" for folder in files.empty), root)
        sites = [posixpath.join(root, top) for top in _tops([*below, *hollow])]
        if not sites:
            where = f"'{root}'" if root else "the data root"
            raise DataError(
                f"data.layout=sites, but {where} has no folders; each site needs one of its own"
            )
        folders += [_Folder(path, composed(posixpath.basename(path))) for path in sites]
        outside += _outside(below, sites, OUTSIDE_SITES, options)
    _check_sites(folders, files)
    _check_names_of_sites({folder.site for folder in folders})
    return folders, outside


def _below(paths: Iterable[str], root: str) -> dict[str, str]:
    """Returns the files below a folder: whole path by that below it."""
    prefix = f"{root}/" if root else ""
    return {path.removeprefix(prefix): path for path in paths if path.startswith(prefix)}


def _tops(below: Iterable[str]) -> list[str]:
    """Returns the uppermost folders, but for a system's own."""
    tops = {path.partition("/")[0] for path in below if "/" in path}
    return sorted(top for top in tops if not is_hidden(top))


def _outside(
    below: Mapping[str, str], folders: Sequence[str], reason: str, options: IngestOptions
) -> list[tuple[str, str]]:
    """Lists the files that are in none of the folders, and refuses films or a manifest there."""
    found = []
    manifest = composed(options.manifest).lower()
    for inside, path in below.items():
        if any(path.startswith(f"{folder}/") for folder in folders):
            continue
        # Of a folder that a user takes for a span or site, films and manifest are right below it.
        places = (inside, inside.partition("/")[2])
        is_manifest = manifest in (composed(one).lower() for one in places)
        is_film = any(map(label_and_split, places)) and not is_no_picture(path)
        if (is_manifest or is_film) and not is_hidden(path):
            raise DataError(
                f"'{path}' is {reason}, while others are in one; put it into one, or take it away"
            )
        found.append((path, _reason(path, reason)))
    return found


def _reason(path: str, otherwise: str) -> str:
    if is_hidden(path):
        return HIDDEN
    return NO_PICTURE if is_no_picture(path) else otherwise


def _check_sites(folders: Sequence[_Folder], files: Files) -> None:
    for folder in folders:
        (name,) = folders_of(f"{posixpath.basename(folder.path)}/")
        kind = "split" if name in SPLIT_WORDS else "class" if name in CLASS_WORDS else ""
        if kind:
            raise DataError(
                f"data.layout=sites, but '{folder.path}' is named for a {kind}; put the folders of "
                "sites above those of splits and classes"
            )
        below = _below(files.paths, folder.path)
        if any(span_number(inside) is not None for inside in below):
            raise DataError(
                f"data.layout=sites, but '{folder.path}' holds spans; put the folders of spans "
                "above those of sites"
            )
        real = {files.links.get(path, path) for path in below.values()}
        for other in folders:
            if other != folder and real and all(one.startswith(f"{other.path}/") for one in real):
                raise DataError(
                    f"data.layout=sites, but '{folder.path}' is a link to the site '{other.path}', "
                    "whose films would count twice; take the link away"
                )


def _check_names_of_sites(sites: Iterable[str]) -> None:
    """Refuses two sites that are likely one, whose patients would be taken for two."""
    first: dict[str, str] = {}
    for site in sorted(sites):
        other = first.setdefault(" ".join(site.casefold().split()), site)
        if other != site:
            raise DataError(
                f"data.layout=sites, but the sites '{other}' and '{site}' differ in capitals or "
                "spaces alone; give both folders the same name, or clearly another one"
            )


def _read_site(folders: Sequence[_Folder], files: Files, options: IngestOptions) -> Layout:
    """Reads the folders of a site: one, or one a span."""
    needed = LABELS if len(folders) == 1 else ()
    found = _joined(_read_folder(folder, files, options, needed) for folder in folders)
    title = folders[0].title
    if len(folders) > 1:
        title = f"the site '{folders[0].site}'" if folders[0].site else "all spans that are read"
        found = _one_spelling_in_all(found)
        _check_classes(found.films, title)
    try:
        return with_links_and_headers(found, files.links, files.headers)
    except DataError as error:
        raise DataError(f"{title}: {error}", error.files) from None


def _check_classes(films: Sequence[Film], title: str) -> None:
    for label in LABELS:
        if not any(film.label == label for film in films):
            raise DataError(
                f"{title}: there is no film of {label}; both classes are needed, so add some, or "
                "read more spans (data.spans)"
            )


def _one_spelling_in_all(layout: Layout) -> Layout:
    """Makes one patient of ids that the spans of a site spell in several ways."""
    one_of, notes = one_spelling([film.patient_id for film in layout.films])
    films = [
        replace(film, patient_id=one_of.get(film.patient_id, film.patient_id))
        for film in layout.films
    ]
    return replace(layout, films=films, notes=[*layout.notes, *notes])


def _read_folder(
    folder: _Folder, files: Files, options: IngestOptions, needed: Sequence[str]
) -> Layout:
    """Reads a folder as a data root, and tells of it in paths below the real one."""
    inside = _below(files.paths, folder.path)
    headers = {name: files.headers[path] for name, path in inside.items() if path in files.headers}

    def told(sentence: str) -> str:  # whole paths, so that those of DICOM files can be hidden
        return with_quoted(sentence, inside)

    def read_text(name: str) -> str:
        return files.text_of(inside[name])

    try:
        found = find_films(list(inside), read_text, options.of_one_site, headers, needed)
    except DataError as error:
        raise DataError(f"{folder.title}: {told(str(error))}", error.files) from None
    return Layout(
        found.kind,
        [
            replace(
                film,
                path=inside[film.path],
                site=folder.site or film.site,
                lesion_mask=film.lesion_mask and f"{folder.path}/{film.lesion_mask}",
            )
            for film in found.films
        ],
        [(f"{folder.path}/{path}", told(reason)) for path, reason in found.ignored],
        [f"{folder.path}: {told(note)}" for note in (*found.notes, *_other_sites(found, folder))],
        {folder.path: found.kind},
    )


def _other_sites(found: Layout, folder: _Folder) -> list[str]:
    others = {film.site for film in found.films} - {UNKNOWN, folder.site}
    if not (folder.site and others):
        return []
    return [f"its films are named for other sites, such as '{min(others)}': the folder decides."]


def _joined(layouts: Iterable[Layout]) -> Layout:
    layouts = list(layouts)
    return Layout(
        layouts[0].kind,
        sorted((film for one in layouts for film in one.films), key=lambda film: film.path),
        sorted(file for one in layouts for file in one.ignored),
        [note for one in layouts for note in one.notes],
        {folder: kind for one in layouts for folder, kind in one.folders.items()},
    )


def _sites_notes(sites: Mapping[str, Layout]) -> list[str]:
    counts = [
        f"{site} {len(found.films):,} films of "
        f"{len({film.patient_id for film in found.films}):,} patients"
        for site, found in sites.items()
    ]
    return [f"Sites: {'; '.join(counts)}."]
