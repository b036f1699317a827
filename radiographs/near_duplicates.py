"""Films that show the same picture in other files: encoded anew, resized, cropped, brighter.

Candidates differ in few bits of the difference hash of the film, or of what is left of one of them
without a narrow rim, so that a cropped copy is found as well. They are looked for among films that
agree in one of sixteen parts of the hash, not among all pairs. What makes a candidate the same film
is the correlation of the detail of both, reduced and laid upon each other (G. Evangelidis and
E. Psarakis, "Parametric Image Alignment Using Enhanced Correlation Coefficient Maximization",
2008).

`benchmarks.near_duplicates` measures what is found and what is taken for another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import DisjointSet

from radiographs.data_roots import DataRoot
from radiographs.decoding import read_film
from radiographs.difference_hash import difference_hash
from radiographs.errors import UnusableImage
from radiographs.options import IngestOptions

Fingerprint = npt.NDArray[np.uint8]
Film = npt.NDArray[np.uint8]
Pixels = npt.NDArray[np.float32]
Pair = tuple[str, str]  # of paths

REDUCED_SIDE_PX = 64
SAME_FILM_CORRELATION = 0.95
CANDIDATE_BITS = 20

_HASHED_SIDE_PX = 256
_CUT_OFF = (0.0, 0.01, 0.02)  # of each side, in the frames of a film
_BANDS = 16
_BAND_BITS = 16
_TELLING_BITS = 160  # those in which films differ most; chests are alike in the others
_BITS_SET = np.array([bin(word).count("1") for word in range(2**16)], np.uint8)
_SAMPLED = 10_000  # films that tell in which bits they differ
_PAIRS_AT_ONCE = 1_000_000  # to bound the memory
_STEPS = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-4)
_SMOOTHING_PX = 3
_DETAIL_PX = (2 / 3, 2.0)  # between these standard deviations of two blurs
_RIM_PX = 4  # left out, as a warp has nothing beyond it
_WHOLE = 0.99  # of a pixel that both films cover


def fingerprint(film: Film) -> Fingerprint:
    """Returns by what the copies of a film are found.

    Args:
        film: `[height, width]` uint8, upright.

    Returns:
        `[3, 32]` uint8: the difference hash of the film and of two frames inside it, as bits.
    """
    small = film
    if min(film.shape) > _HASHED_SIDE_PX:  # once for all frames, as it costs most
        small = cv2.resize(film, (_HASHED_SIDE_PX, _HASHED_SIDE_PX), interpolation=cv2.INTER_AREA)
    return np.packbits([difference_hash(_frame(small, share)) for share in _CUT_OFF], axis=1)


def to_hex(print_: Fingerprint) -> str:
    """Returns a fingerprint as text."""
    return print_.tobytes().hex()


def from_hex(text: str) -> Fingerprint:
    """Returns the fingerprint that `to_hex` has made a text of."""
    return np.frombuffer(bytes.fromhex(text), np.uint8).reshape(len(_CUT_OFF), -1)


def reduced(film: Film) -> Film:
    """Returns what two films are correlated by, `[64, 64]` uint8."""
    side = (REDUCED_SIDE_PX, REDUCED_SIDE_PX)
    return np.asarray(cv2.resize(film, side, interpolation=cv2.INTER_AREA), np.uint8)


def near_duplicates(
    prints: Mapping[str, Fingerprint],
    digests: Mapping[str, str],
    show_one_film: Callable[[Sequence[Pair]], Sequence[bool]],
) -> list[list[str]]:
    """Finds films that show the same picture in other files.

    Args:
        prints: Of `fingerprint`, by path.
        digests: Of the files, by path; of those with the same bytes the first path takes part.
        show_one_film: Tells of pairs of paths whether both films are one; it is called twice at
            most, as that may be the work of other machines.

    Returns:
        Groups of two paths or more, in order.
    """
    first: dict[str, str] = {}
    for path in sorted(prints):
        first.setdefault(digests[path], path)
    paths = list(first.values())
    if len(paths) < 2:
        return []
    found = candidates(np.stack([prints[path] for path in paths]))
    pairs = [(paths[one], paths[other]) for one, other in found]
    groups = DisjointSet(paths)
    # First the nearest pairs that would join all candidates: of many copies of a film, few of all
    # pairs have to be compared.
    joining = list(_joining(pairs))
    others = sorted(set(pairs).difference(joining))
    for some in (joining, others):
        left = [pair for pair in some if not groups.connected(*pair)]
        for pair, same in zip(left, show_one_film(left), strict=True):
            if same:
                groups.merge(*pair)
    return sorted(sorted(group) for group in groups.subsets() if len(group) > 1)


def pairs_of_one_film(root: DataRoot, options: IngestOptions, pairs: Sequence[Pair]) -> list[bool]:
    """Reads films again, and tells which of them show the same picture.

    Args:
        root: Of the films.
        options: As they were read.
        pairs: Of paths of usable films; a film of several pairs is read once.

    Returns:
        Whether both films are one, for each pair.
    """

    def read(path: str) -> Film | None:
        try:
            return reduced(read_film(root.content(path), options).grey)
        except UnusableImage:  # it could be read before: who reads it next says what is wrong
            return None

    paths = sorted({path for pair in pairs for path in pair})
    with ThreadPoolExecutor() as threads:
        films = dict(zip(paths, threads.map(read, paths), strict=True))
    of_pairs = ((films[one], films[other]) for one, other in pairs)
    return [
        one is not None and other is not None and same_film(one, other) for one, other in of_pairs
    ]


def candidates(prints: npt.NDArray[np.uint8]) -> list[tuple[int, int]]:
    """Finds pairs of fingerprints that may be of one film.

    Args:
        prints: `[films, 3, 32]` uint8.

    Returns:
        Places of either, the nearest pairs first.
    """
    _, places, of_place = np.unique(prints[:, 0], axis=0, return_index=True, return_inverse=True)
    alike = places[of_place.ravel()]  # the first film of the very same hash
    copies = np.flatnonzero(alike != np.arange(len(prints)))
    found = {(int(alike[copy]), int(copy)): 0 for copy in copies}
    for one, other, bits in _near_pairs(prints[places]):
        first, second = int(places[one]), int(places[other])
        pair = (min(first, second), max(first, second))
        found[pair] = min(bits, found.get(pair, bits))
    return sorted(found, key=lambda pair: (found[pair], pair))


def same_film(one: Film, other: Film) -> bool:
    """Tells whether two films, laid upon each other, are one.

    Chests are alike; what tells two of them apart is fine: ribs, vessels, noise. So it is the
    detail between two thirds of a pixel and two that has to agree.

    Args:
        one: Of `reduced`.
        other: The same.
    """
    pair = (one.astype(np.float32), other.astype(np.float32))
    return any(_agreement(*ordered) >= SAME_FILM_CORRELATION for ordered in (pair, pair[::-1]))


def _joining(pairs: Sequence[Pair]) -> Iterator[Pair]:
    """Yields the first pairs of those that join the same paths."""
    joined = DisjointSet({path for pair in pairs for path in pair})
    return (pair for pair in pairs if joined.merge(*pair))


def _agreement(one: Pixels, other: Pixels) -> float:
    """Returns the correlation of the detail of both where they cover each other."""
    warp = np.eye(2, 3, dtype=np.float32)
    try:
        _, warp = cv2.findTransformECC(
            one, other, warp, cv2.MOTION_AFFINE, _STEPS, None, _SMOOTHING_PX
        )
    except cv2.error:  # they cannot be laid upon each other
        return -1.0
    covered = _laid(np.ones_like(other), warp) > _WHOLE
    covered[:_RIM_PX] = covered[-_RIM_PX:] = covered[:, :_RIM_PX] = covered[:, -_RIM_PX:] = False
    details = _detail(one)[covered], _detail(_laid(other, warp))[covered]
    if not all(len(detail) and detail.std() for detail in details):
        return -1.0
    return float(np.corrcoef(*details)[0, 1])


def _laid(film: Pixels, warp: Pixels) -> Pixels:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(film, warp, film.shape[::-1], flags=flags), np.float32)


def _detail(film: Pixels) -> Pixels:
    fine, coarse = (cv2.GaussianBlur(film, (0, 0), sigma) for sigma in _DETAIL_PX)
    return np.asarray(fine - coarse, np.float32)


def _frame(film: Film, share: float) -> Film:
    rows, columns = (round(share * side) for side in film.shape)
    return film[rows : film.shape[0] - rows, columns : film.shape[1] - columns]


def _near_pairs(prints: npt.NDArray[np.uint8]) -> Iterator[tuple[int, int, int]]:
    """Yields pairs of films, a frame of which is near the whole other, and the bits between."""
    words = prints.view(np.uint16)
    for keys in _band_keys(prints):
        order = np.argsort(keys[:, 0], kind="stable")
        whole = keys[order, 0]
        for frame in range(len(_CUT_OFF)):
            starts = np.searchsorted(whole, keys[:, frame], "left")
            ends = np.searchsorted(whole, keys[:, frame], "right")
            for framed, place in _expanded(starts, ends):
                other = order[place]
                differing = words[framed, frame] ^ words[other, 0]
                bits = _BITS_SET[differing].sum(axis=1, dtype=np.int64)
                near = (bits <= CANDIDATE_BITS) & (framed != other)
                yield from zip(
                    framed[near].tolist(), other[near].tolist(), bits[near].tolist(), strict=True
                )


def _band_keys(prints: npt.NDArray[np.uint8]) -> Iterator[npt.NDArray[np.int64]]:
    """Yields some bits of each film and frame as a number, `[films, 3]`, for each band."""
    share = np.unpackbits(prints[:_SAMPLED, 0], axis=1).mean(axis=0)
    telling = np.argsort(np.abs(share - 0.5), kind="stable")[:_TELLING_BITS]
    rng = np.random.default_rng(0)
    for _ in range(_BANDS):
        keys = np.zeros(prints.shape[:2], np.int64)
        for bit in rng.choice(telling, _BAND_BITS, replace=False):
            byte, place = divmod(int(bit), 8)
            keys = (keys << 1) | ((prints[:, :, byte] >> (7 - place)) & 1)
        yield keys


def _expanded(
    starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Yields each number with each place of its range, a bounded number of pairs at once."""
    sizes = ends - starts
    cuts = np.searchsorted(np.cumsum(sizes), np.arange(_PAIRS_AT_ONCE, sizes.sum(), _PAIRS_AT_ONCE))
    for some in np.split(np.arange(len(sizes)), np.unique(cuts)):
        of_some = sizes[some]
        before = np.cumsum(of_some) - of_some
        inside = np.arange(of_some.sum()) - np.repeat(before, of_some)
        yield np.repeat(some, of_some), np.repeat(starts[some], of_some) + inside
