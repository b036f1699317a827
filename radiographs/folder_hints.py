"""Names that are nearly right: of a split, of a class, of a manifest.

They are not guessed at but named, so that no film is missed without a word.
"""

from __future__ import annotations

import difflib
import posixpath
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence

from models.features import EVAL, NORMAL, PNEUMONIA, TEST, TRAIN
from radiographs.folder_names import CLASS_WORDS, SPLIT_WORDS, folders_of, label_and_split
from radiographs.not_films import is_hidden

_TABLES = (".csv", ".tsv", ".csv.txt", ".tsv.txt", ".xlsx", ".xls", ".ods")
_FOLDER_OF_SPLIT = {TRAIN: "train", EVAL: "val", TEST: "test"}
# Words in a folder's name by what they speak for; a number after them does not matter.
_CLASS_HINTS = {
    **dict.fromkeys(("normal", "normals", "healthy", "control", "controls"), NORMAL),
    **dict.fromkeys(
        ("pneumonia", "pneumonias", "pneumonic", "bacterial", "viral", "bacteria", "virus"),
        PNEUMONIA,
    ),
}
_NEGATIONS = {"no", "non", "not", "without", "abnormal"}
_TAIL = re.compile(r"(?:set|data|images?|films?|cases?|imgs?)$")
_CLOSE = 0.84  # of difflib, from which a word counts as a misspelling
_SHOWN = 3


def folder_hints(outside: Iterable[str], inside: Collection[str]) -> list[str]:
    """Says which folders look like a split or a class but are none.

    Args:
        outside: Paths that lie in no class folder.
        inside: Paths of films.

    Returns:
        A sentence for each such folder, those with most files first.
    """
    files: Counter[tuple[str, str]] = Counter()
    for path in outside:
        near = _nearly(path)
        if near:
            files[near] += 1
    sentences = [
        f"'{folder}' is not read as a {kind}, so its {_files(count)} ignored; rename it to {name}."
        for (folder, meant), count in files.most_common()
        for kind, name in [meant.split("/")]
    ]
    return [*sentences, *_splits_below_classes(inside), *_classes_below_others(inside)]


def _files(count: int) -> str:
    return "1 file is" if count == 1 else f"{count:,} files are"


def _nearly(path: str) -> tuple[str, str] | None:
    """Returns the folder that is nearly a name we know, and `kind/name` that it may mean."""
    written = path.split("/")[:-1]
    folders = folders_of(path)
    depth = 1 if folders and folders[0] in SPLIT_WORDS else 0
    if len(folders) <= depth:
        return None
    folder = "/".join(written[: depth + 1])
    label = _meant(folders[depth], _CLASS_HINTS)
    if label:
        negated = _NEGATIONS & set(_words(folders[depth]))
        return folder, f"class/{f'{NORMAL} or {PNEUMONIA}' if negated else label}"
    split = _meant(folders[depth], SPLIT_WORDS)
    if split and depth == 0:
        return folder, f"split/{_FOLDER_OF_SPLIT[split]}"
    if depth == 0 and label_and_split("/".join([*written[1:], "x"])):
        return written[0], "split/train, val or test, or make it --data-root"
    return None


def _words(folder: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", folder)


def _meant(folder: str, meanings: dict[str, str]) -> str:
    words = _words(folder)
    for word in [*words, *(_TAIL.sub("", word) for word in words)]:
        close = difflib.get_close_matches(word, meanings, n=1, cutoff=_CLOSE)
        if close:
            return meanings[close[0]]
    return ""


def _splits_below_classes(inside: Iterable[str]) -> list[str]:
    below: dict[str, int] = defaultdict(int)
    for path in inside:
        folders = folders_of(path)
        at = next(index for index, folder in enumerate(folders) if folder in CLASS_WORDS)
        if at == 0 and len(folders) > 1 and _meant(folders[1], SPLIT_WORDS):
            below["/".join(path.split("/")[:2])] += 1
    if not below:
        return []
    names = ", ".join(f"'{name}'" for name in sorted(below))
    return [f"{names}: a folder below a class is not read as a split; put the split above it."]


def _classes_below_others(inside: Iterable[str]) -> list[str]:
    doubtful: dict[str, str] = {}
    for path in inside:
        labels = [CLASS_WORDS[folder] for folder in folders_of(path) if folder in CLASS_WORDS]
        if len(set(labels)) > 1:
            doubtful[posixpath.dirname(path)] = labels[0]
    return [
        f"'{folder}' is named for two classes, and its films are read as {label}; move it if they "
        "are of the other."
        for folder, label in sorted(doubtful.items())[:_SHOWN]
    ]


def manifest_hints(paths: Sequence[str]) -> list[str]:
    """Says which tables look like a manifest but are not read.

    Args:
        paths: All files below the root, which has no manifest.

    Returns:
        At most one sentence.
    """
    tables = [
        path
        for path in sorted(paths)
        if path.lower().endswith(_TABLES) and path.count("/") <= 1 and not is_hidden(path)
    ]
    tables = [path for path in tables if label_and_split(path) is None]
    if not tables:
        return []
    names = ", ".join(f"'{name}'" for name in tables[:_SHOWN])
    first = tables[0]
    if first.lower().endswith((".csv", ".tsv", ".txt")):
        remedy = f"if it names the films, set data.manifest='{first}'"
    else:
        remedy = "if it names the films, save it as CSV and set data.manifest to that file"
    return [f"{names} {'is' if len(tables) == 1 else 'are'} not read; {remedy}."]
