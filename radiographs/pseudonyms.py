"""Keyed pseudonyms: what identifies a patient goes no further than here.

A pseudonym is a keyed hash (HMAC-SHA-256, FIPS 198-1), so that nobody without the key can look up
who is meant by trying names, and the same identifier is the same pseudonym in every run with the
same key. The key is a file that its owner alone may read.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path

from radiographs.errors import DataError

DEFAULT_KEY_FILE = "~/.config/cxr-pneumonia/pseudonym.key"
KEY_BYTES = 32
LENGTH = 20  # hexadecimal digits of a pseudonym, 80 bits: two of a million patients never share one

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class Pseudonyms:
    """Gives pseudonyms by one key."""

    def __init__(self, key: bytes):
        """Takes the key, at least `KEY_BYTES` long."""
        self._key = key

    def of(self, kind: str, identifier: str) -> str:
        """Returns the pseudonym of an identifier.

        Args:
            kind: What it identifies; one word has different pseudonyms as a patient and as a file.
            identifier: As it is written.

        Returns:
            `LENGTH` hexadecimal digits.
        """
        message = f"{kind}\0{identifier}".encode("utf-8", "surrogateescape")
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()[:LENGTH]


class HiddenPath(str):
    """The pseudonym of a path, which leads to the file but never shows where it lies.

    Attributes:
        real: The path below the data root.
    """

    __slots__ = ("real",)
    real: str

    def __new__(cls, shown: str, real: str) -> HiddenPath:
        """Makes a path that shows as `shown` and is `real`."""
        path = super().__new__(cls, shown)
        path.real = real
        return path

    def __reduce__(self) -> tuple[type[HiddenPath], tuple[str, str]]:
        """Lets a worker open the file as well."""
        return HiddenPath, (str(self), self.real)


def real_path(path: str) -> str:
    """Returns where a file lies, whether or not its path is hidden."""
    return path.real if isinstance(path, HiddenPath) else path


def hidden(path: str, pseudonyms: Pseudonyms) -> HiddenPath:
    """Returns the pseudonym of a path, below a folder that says what it is."""
    return HiddenPath(f"dicom/{pseudonyms.of('file', path)}", path)


def key_file(setting: str) -> Path:
    """Returns the file that a setting names, or the default one where it is empty.

    Raises:
        DataError: If it is a URI: who may read what lies there cannot be seen.
    """
    if "://" in setting:
        raise DataError(
            f"data.pseudonym_key_file: {setting} is no file of this machine; mount the key where "
            "the ingest runs, readable by its user alone, and name that file"
        )
    return Path(setting or DEFAULT_KEY_FILE).expanduser()


def read_key(file: Path) -> bytes:
    """Reads a key that nobody else can read.

    Args:
        file: Where it is.

    Raises:
        DataError: If it is missing, too short, or open to others.
    """
    try:
        with file.open("rb") as opened:
            status = os.fstat(opened.fileno())
            text = opened.read().strip()
    except OSError as error:
        raise DataError(
            f"the key of pseudonyms {file} cannot be read ({error.strerror}); make one by "
            "`python -m radiographs.pseudonym_keys new`, or set data.pseudonym_key_file"
        ) from None
    if status.st_mode & _OTHERS:
        raise DataError(
            f"the key of pseudonyms {file} is open to others (mode "
            f"{stat.S_IMODE(status.st_mode):o}); run `chmod 600 {file}`, and rotate it if somebody "
            "may have read it"
        )
    try:
        key = bytes.fromhex(text.decode())
    except ValueError:
        key = b""
    if len(key) < KEY_BYTES:
        raise DataError(
            f"the key of pseudonyms {file} is not of {KEY_BYTES} bytes in hexadecimal; restore it, "
            "or make a new one by `python -m radiographs.pseudonym_keys rotate`"
        )
    return key


def write_new_key(file: Path) -> None:
    """Writes a random key that its owner alone may read.

    Args:
        file: Where it goes; folders are made.

    Raises:
        DataError: If there is one already, or it cannot be written.
    """
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as opened:
            opened.write(secrets.token_hex(KEY_BYTES) + "\n")
    except FileExistsError:
        raise DataError(
            f"there is a key at {file} already; `python -m radiographs.pseudonym_keys rotate` "
            "keeps it and makes another"
        ) from None
    except OSError as error:
        raise DataError(
            f"the key of pseudonyms cannot be written to {file} ({error.strerror}); set "
            "data.pseudonym_key_file to a file that can be"
        ) from None


def rotate_key(file: Path) -> Path:
    """Puts a new key in the place of one, which is kept beside it.

    Args:
        file: Where the key is.

    Returns:
        Where the old one is now.

    Raises:
        DataError: If there is no key, or one was kept before.
    """
    read_key(file)
    old, new = _old(file), Path(f"{file}.new")
    write_new_key(new)
    try:
        os.link(file, old)  # fails where there is one, which a rename would replace
    except OSError as error:
        new.unlink()
        raise DataError(
            f"the old key cannot be kept as {old} ({error.strerror}); move away what is there"
        ) from None
    new.replace(file)
    return old


def kept_keys(setting: str) -> list[Path]:
    """Returns the key that a rotation left beside that of a setting, or nothing."""
    old = _old(key_file(setting))
    return [old] if old.is_file() else []


def _old(file: Path) -> Path:
    return Path(f"{file}.old")


def pseudonyms_of(setting: str, remote: bool) -> tuple[Pseudonyms, list[str]]:
    """Reads the key of a setting; makes one in the user's folder where none is set.

    Args:
        setting: `data.pseudonym_key_file`.
        remote: Whether the run is on another machine, where a new key would be lost with it.

    Returns:
        The pseudonyms, and what the user has to know, as sentences.

    Raises:
        DataError: If there is no key and none can be made.
    """
    file = key_file(setting)
    if setting or file.exists():
        return Pseudonyms(read_key(file)), []
    if remote:
        raise DataError(
            "DICOM on a remote root needs a key for pseudonyms that outlasts the run; make one by "
            "`python -m radiographs.pseudonym_keys new` and set data.pseudonym_key_file to where "
            "the run can read it"
        )
    write_new_key(file)
    note = f"A key for the pseudonyms of patients was made at {file}: keep it, and keep it secret."
    return Pseudonyms(read_key(file)), [note]
