"""Reads the films of a layout as the ingest does, and keeps of each what an inspection needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from radiographs.burned_in_text import shows_text
from radiographs.data_roots import DataRoot
from radiographs.decoding import ImageFacts, read_film
from radiographs.errors import UnusableImage
from radiographs.films import Film
from radiographs.lesion_masks import read_mask
from radiographs.near_duplicates import Fingerprint, fingerprint
from radiographs.options import IngestOptions

_AT_ONCE = 512  # films handed to the threads, to bound the memory


@dataclass(frozen=True)
class ReadFilms:
    """What the files of a layout hold.

    Attributes:
        facts: Of the usable films, by path.
        prints: Fingerprint of each of these.
        with_text: Paths of those that show text, in order.
        unusable: Path and reason of the others, in order.
    """

    facts: dict[str, ImageFacts] = field(default_factory=dict)
    prints: dict[str, Fingerprint] = field(default_factory=dict)
    with_text: list[str] = field(default_factory=list)
    unusable: list[tuple[str, str]] = field(default_factory=list)


def read_films(
    root: DataRoot,
    planned: Sequence[Film],
    options: IngestOptions,
    tell: Callable[[int], None] = lambda films: None,
) -> ReadFilms:
    """Reads films, several at once; decoders release Python's lock, so threads do.

    Args:
        root: Of the films.
        planned: What the layout says of them.
        options: Which files are usable.
        tell: Is told how many films have been read since it was last told.

    Returns:
        What is known of each.
    """

    def read(of_layout: Film) -> tuple[ImageFacts, Fingerprint, bool] | str:
        try:
            film = read_film(root.content(of_layout.path), options)
            read_mask(root.content, of_layout, film)
        except UnusableImage as error:
            return str(error)
        return film.facts, fingerprint(film.grey), shows_text(film.grey)

    films = ReadFilms()
    with ThreadPoolExecutor() as threads:
        for some in _parts(planned):
            paths = [film.path for film in some]
            for path, one in zip(paths, threads.map(read, some), strict=True):
                if isinstance(one, str):
                    films.unusable.append((path, one))
                else:
                    films.facts[path], films.prints[path], has_text = one
                    films.with_text.extend([path] if has_text else [])
            tell(len(some))
    films.unusable.sort()
    films.with_text.sort()
    return films


def _parts(films: Sequence[Film]) -> Iterator[Sequence[Film]]:
    for first in range(0, len(films), _AT_ONCE):
        yield films[first : first + _AT_ONCE]
