"""Whether the films of another site are another site's: no film and no patient may be shared.

A film is known by the digest of its file, whatever its name, so a shared digest always counts; and
by its difference hash, so that the same film in another file counts as well.
A patient is known by a pseudonym, which means something within one site only: two hospitals both
have a patient `1`. So a shared id does not count

- where both sites are known and differ;
- where a class folder's film was given its own file name for want of a better id, and no site is
  known: that says nothing of a patient;
- where the sex that is known of the ids that are shared differs too often to be chance: the ids
  were numbered anew, as those of synthetic films are for each seed.

It does count where nothing tells the sites apart: an audit that is refused for want of a column
`site` costs a minute, one that calls the training films another hospital costs the gate its sense.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence

import pandas as pd
import tensorflow as tf

from components.auditor.scoring import image_of, read_examples
from components.radiograph_example_gen.listing import read_bytes, size_and_time
from models import features
from radiographs.decoding import grey_levels, sha256_of
from radiographs.difference_hash import DifferenceHash, difference_hash, same_films
from radiographs.errors import DataError, UnusableImage
from radiographs.file_names import original_stem
from radiographs.films import Film
from radiographs.sites import id_within_site

_LOG = logging.getLogger(__name__)

PATH = "path"
DIFFERENCE_HASH = "difference_hash"
_IDENTITY = (features.SHA256, features.PATIENT_ID, features.SITE, features.SEX)
_NEW_NUMBERS = 0.25  # share of shared ids with another sex; chance alone gives about a half
_HASHED_SIDE_PX = 256  # of what a film is reduced to on the way
_SAID = "evaluation.external_data_root"


def identities_of_examples(uris: Iterable[str]) -> pd.DataFrame:
    """Reads who the films of the run are of.

    Args:
        uris: Folders of raw splits.

    Returns:
        A row a film: digest, patient, site, sex and difference hash.
    """
    rows = (
        [*(_text(example, name) for name in _IDENTITY), hash_of(example)]
        for example in read_examples(list(uris))
    )
    return pd.DataFrame(rows, columns=[*_IDENTITY, DIFFERENCE_HASH])


def hash_of(example: tf.train.Example) -> DifferenceHash:
    """Returns the difference hash of a raw example's film."""
    return difference_hash(grey_levels(image_of(example), _HASHED_SIDE_PX))


def identities_of_films(films: Sequence[Film], digests: Sequence[str]) -> pd.DataFrame:
    """Tells who listed films are of.

    Args:
        films: Of a layout.
        digests: Of their files, in the same order; empty where not known.

    Returns:
        A row a film: path, digest, patient, site and sex.
    """
    rows = [
        (film.path, digest, film.patient_id, film.site, film.sex)
        for film, digest in zip(films, digests, strict=True)
    ]
    return pd.DataFrame(rows, columns=[PATH, *_IDENTITY])


def refuse_shared(root: str, external: pd.DataFrame, own: pd.DataFrame, by_name: bool) -> None:
    """Refuses another site that is in part this one.

    Args:
        root: Folder of the other site, for the message.
        external: Its films, of `identities_of_films`.
        own: Films of the run, of either function.
        by_name: Whether the other site is laid out in class folders, where a patient's id may
            be no more than the name of a file.

    Raises:
        DataError: Saying how many films or patients are shared, with an example.
    """
    films = external[(external[features.SHA256] != "")].merge(
        own[[features.SHA256]].drop_duplicates(), on=features.SHA256
    )
    if len(films):
        raise DataError(
            f"{_SAID}: {len(films):,} of the {len(external):,} films below {root} are films of "
            f"train, eval or test as well, such as '{films[PATH].iloc[0]}' (the same bytes); "
            "another site may hold none of them, so take them out or choose another folder"
        )
    shared = shared_patients(external, own, by_name)
    if len(shared):
        first = shared.iloc[0]
        raise DataError(
            f"{_SAID}: {shared[features.PATIENT_ID].nunique():,} of the "
            f"{external[features.PATIENT_ID].nunique():,} patients below {root} are in train, "
            f"eval or test as well, such as '{first[features.PATIENT_ID]}' ('{first[PATH]}'); take "
            "them out or, where the ids were given anew at each site, name the site of both in the "
            "column site of manifest.csv"
        )


def refuse_alike(root: str, external: pd.DataFrame, own: pd.DataFrame) -> None:
    """Refuses another site that holds films of this one in other files.

    Args:
        root: Folder of the other site, for the message.
        external: Its films: path and `DIFFERENCE_HASH`.
        own: Films of the run, with `DIFFERENCE_HASH`.

    Raises:
        DataError: Saying how many films are alike, with an example.
    """
    same = [one is not None for one in same_films(external[DIFFERENCE_HASH], own[DIFFERENCE_HASH])]
    if any(same):
        raise DataError(
            f"{_SAID}: {sum(same):,} of the {len(external):,} films below {root} show films of "
            f"train, eval or test in other files, such as '{external[PATH][same].iloc[0]}'; "
            "another site may hold none of them, so take them out or choose another folder"
        )


def shared_patients(external: pd.DataFrame, own: pd.DataFrame, by_name: bool) -> pd.DataFrame:
    """Finds the films of the other site whose patient is one of the run's.

    Args:
        external: Films of the other site, of `identities_of_films`.
        own: Films of the run.
        by_name: Whether an id may be no more than the name of a file.

    Returns:
        Rows of `external`; see the module for what counts.
    """
    external, own = _with_ids_of_sites(external), _with_ids_of_sites(own)
    people = own[[features.PATIENT_ID, features.SITE, features.SEX]].drop_duplicates()
    pairs = external.merge(people, on=features.PATIENT_ID, suffixes=("", "_own"))
    site, own_site = pairs[features.SITE], pairs[f"{features.SITE}_own"]
    both_known = (site != features.UNKNOWN) & (own_site != features.UNKNOWN)
    stems = pairs[PATH].map(original_stem)
    is_name = (pairs[features.PATIENT_ID] == stems) & by_name
    pairs = pairs[(both_known & (site == own_site)) | (~both_known & ~is_name)]
    return pairs.iloc[:0] if _numbered_anew(pairs) else pairs


def _with_ids_of_sites(films: pd.DataFrame) -> pd.DataFrame:
    """Returns the films with ids as a site gives them, without the site that an ingest adds."""
    pairs = zip(films[features.PATIENT_ID], films[features.SITE], strict=True)
    return films.assign(**{features.PATIENT_ID: [id_within_site(*pair) for pair in pairs]})


def _numbered_anew(pairs: pd.DataFrame) -> bool:
    sex, own_sex = pairs[features.SEX], pairs[f"{features.SEX}_own"]
    known = pairs[(sex != features.UNKNOWN) & (own_sex != features.UNKNOWN)]
    people = known.drop_duplicates(features.PATIENT_ID)
    differs = people[features.SEX] != people[f"{features.SEX}_own"]
    if not len(people) or differs.mean() <= _NEW_NUMBERS:
        return False
    _LOG.info(
        "%d patient ids are those of the run's films by chance: the sex of %d differs",
        len(people), differs.sum(),
    )  # fmt: skip
    return True


def digests_where_sizes_agree(
    root: str, paths: Sequence[str], other_root: str, other_paths: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Digests the files of two folders that could be the same; only these are read.

    Args:
        root: A folder.
        paths: Files below it.
        other_root: Another one.
        other_paths: Files below that one.

    Returns:
        Digest of each file of both, empty for a size that the other folder has not.
    """
    sizes = [size_and_time(root, path)[0] for path in paths]
    other_sizes = [size_and_time(other_root, path)[0] for path in other_paths]
    common = set(sizes) & set(other_sizes)
    return (
        list(_digests(root, paths, sizes, common)),
        list(_digests(other_root, other_paths, other_sizes, common)),
    )


def _digests(
    root: str, paths: Sequence[str], sizes: Sequence[int], wanted: set[int]
) -> Iterator[str]:
    for path, size in zip(paths, sizes, strict=True):
        try:
            yield sha256_of(read_bytes(root, path)) if size in wanted else ""
        except UnusableImage:  # the ingest says so
            yield ""


def _text(example: tf.train.Example, name: str) -> str:
    return example.features.feature[name].bytes_list.value[0].decode()
