"""Downloads a file, and goes on where an earlier attempt broke off (RFC 9110, sections 13 and 14).

What is there already counts only if the server says that its file is the same: by `If-Range` with
a strong ETag or a date. Any other answer begins anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from radiographs.errors import DataError

_ATTEMPTS = 5  # one after another that bring no byte
_PAUSE_SECONDS = 2.0
_TIMEOUT_SECONDS = 60.0
_CHUNK_BYTES = 1 << 20
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_BROKEN_OFF = (OSError, http.client.HTTPException)

# Is told bytes that are there, and bytes in all, 0 where not known.
Tell = Callable[[int, int], None]


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Follows redirections, but none from https to anything else."""

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            raise DataError(
                f"{req.full_url} leads to {newurl}, which is not https; do not trust it"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = urllib.request.build_opener(_NoDowngrade)


def download(
    url: str,
    file: Path,
    tell: Tell = lambda bytes_there, bytes_in_all: None,
    pause_seconds: float = _PAUSE_SECONDS,
) -> None:
    """Downloads a file.

    Args:
        url: Its address.
        file: Grows; `<file>.json` beside it remembers which file of the server it is part of.
        tell: For a progress bar.
        pause_seconds: Before another attempt.

    Raises:
        DataError: If the server refuses, or several attempts in a row bring nothing.
    """
    in_vain, most = 0, _size(file)
    while in_vain < _ATTEMPTS:
        try:
            if _attempt(url, file, tell):
                return
            why = "the connection broke off"
        except urllib.error.HTTPError as error:
            if error.code < 500 and error.code not in (408, 416, 429):
                raise DataError(
                    f"{url} cannot be downloaded: the server says {error.code} {error.reason}"
                ) from None
            why = f"the server says {error.code} {error.reason}"
        except _BROKEN_OFF as error:
            why = str(getattr(error, "reason", error)) or type(error).__name__
        in_vain = 0 if _size(file) > most else in_vain + 1
        most = max(most, _size(file))
        time.sleep(pause_seconds)
    raise DataError(
        f"{url} cannot be downloaded: {why}, {_ATTEMPTS} times in a row; the same command goes on "
        "from here later"
    )


def sha256_of_file(file: Path) -> str:
    """Returns the SHA-256 digest of a file in hexadecimal."""
    with open(file, "rb") as data:
        digest = hashlib.sha256()
        while chunk := data.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def forget(file: Path) -> None:
    """Removes a download, whole or in part."""
    file.unlink(missing_ok=True)
    _memory(file).unlink(missing_ok=True)


def _attempt(url: str, file: Path, tell: Tell) -> bool:
    """Asks once; returns whether the file is whole."""
    known = _remembered(file, url)
    there = _size(file) if known.get("validator") else 0
    if there and there == known.get("bytes"):
        return True
    headers = {"Accept-Encoding": "identity", "User-Agent": "cxr-pneumonia-pipeline"}
    if there:
        headers |= {"Range": f"bytes={there}-", "If-Range": str(known["validator"])}
    request = urllib.request.Request(url, headers=headers)
    try:
        answer = _OPENER.open(request, timeout=_TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # what is there is longer than the server's file
            forget(file)
        raise
    with contextlib.closing(answer):
        start, in_all = _part(answer, there)
        now = {"url": url, "validator": _validator(answer.headers), "bytes": in_all}
        if start and now != known:
            forget(file)
            raise http.client.HTTPException("the server's file has changed")
        if not start:
            file.unlink(missing_ok=True)  # before it is remembered as part of another file
        _memory(file).write_text(json.dumps(now), encoding="utf-8")
        with open(file, "r+b" if start else "wb") as target:
            target.seek(start)
            _copy(answer, target, in_all, tell)
    if in_all and _size(file) > in_all:
        forget(file)
        raise http.client.HTTPException("the server sent more than it said")
    return _size(file) == in_all if in_all else True


def _part(answer: Any, there: int) -> tuple[int, int]:
    """Returns where an answer begins, and how long the whole file is, 0 where not said."""
    if answer.status != 206:
        return 0, int(answer.headers.get("Content-Length") or 0)
    found = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    if not found or int(found[1]) != there:
        raise http.client.HTTPException("the server sent another part than it was asked for")
    return there, 0 if found[2] == "*" else int(found[2])


def _copy(answer: Any, target: IO[bytes], in_all: int, tell: Tell) -> None:
    while chunk := answer.read(_CHUNK_BYTES):
        target.write(chunk)
        tell(target.tell(), in_all)


def _validator(headers: Mapping[str, str]) -> str:
    """Returns what tells that the server's file is the same; a weak ETag does not."""
    tag = headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified", "")


def _memory(file: Path) -> Path:
    return file.with_name(f"{file.name}.json")


def _remembered(file: Path, url: str) -> dict[str, Any]:
    try:
        known = json.loads(_memory(file).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) and known.get("url") == url else {}


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
