"""How much was set aside, why, and where most of it lies; for the terminal and the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

ROOT = "the data root itself"
_LARGEST = 3


def count_reasons(ignored: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Returns the number of files by reason, most first; particulars after a colon do not count.

    Args:
        ignored: Path and reason.
    """
    return dict(Counter(reason.partition(":")[0] for _, reason in ignored).most_common())


def largest_folders(ignored: Iterable[tuple[str, str]], films: Iterable[str]) -> dict[str, int]:
    """Returns the three folders with most ignored files.

    Args:
        ignored: Path and reason.
        films: Paths of the films.

    Returns:
        Number of files by folder. Of nested folders it is the uppermost that holds no film.
    """
    with_films = {folder for path in films for folder in _folders(path)}
    counts: Counter[str] = Counter()
    for path, _ in ignored:
        folders = _folders(path)
        without = [folder for folder in folders if folder not in with_films]
        counts[without[0] if without else folders[-1] if folders else ROOT] += 1
    return dict(counts.most_common(_LARGEST))


def _folders(path: str) -> list[str]:
    """Returns the folders above a file, the uppermost first."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[: depth + 1]) for depth in range(len(parts))]


def ignored_sentence(reasons: Mapping[str, int], folders: Mapping[str, int]) -> str:
    """Returns what a user is told, or nothing where no file was ignored.

    Args:
        reasons: Of `count_reasons`.
        folders: Of `largest_folders`.
    """
    if not reasons:
        return ""
    why = ", ".join(f"{count:,} {reason}" for reason, count in reasons.items())
    where = ", ".join(f"{folder} ({count:,})" for folder, count in folders.items())
    total = sum(reasons.values())
    return f"ignored {total:,} {'file' if total == 1 else 'files'}: {why}; most in {where}"
