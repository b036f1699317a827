"""Fetching public data from a server that drops connections, changes its mind and sends rubbish."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from radiographs.errors import DataError
from radiographs.fetch import __main__ as command
from radiographs.fetch import fetching
from radiographs.fetch.archives import ARCHIVES, Archive
from radiographs.fetch.download import download
from radiographs.fetch.unpack import unpack

DATA = np.random.default_rng(0).bytes(300_000)
ETAG = '"one"'


@dataclass
class Plan:
    """What the server does: how many bytes of the body it sends, request by request."""

    body: bytes = DATA
    etag: str = ETAG
    sends: list[int] = field(default_factory=list)  # then everything
    statuses: list[int] = field(default_factory=list)  # then 200 or 206
    honours_range: bool = True
    honours_if_range: bool = True
    asked: list[tuple[str, str]] = field(default_factory=list)  # Range and If-Range


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    plan: Plan

    def do_GET(self) -> None:
        plan = self.plan
        asked = self.headers.get("Range", ""), self.headers.get("If-Range", "")
        plan.asked.append(asked)
        if plan.statuses:
            self.send_response(plan.statuses.pop(0))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = int(asked[0].removeprefix("bytes=").rstrip("-") or 0)
        same = asked[1] == plan.etag or not plan.honours_if_range
        start = start if plan.honours_range and same else 0
        if start > len(plan.body):
            self.send_error(416)
            return
        rest = plan.body[start:]
        self.send_response(206 if start else 200)
        if start:
            last = len(plan.body) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{len(plan.body)}")
        self.send_header("Content-Length", str(len(rest)))
        if plan.etag:
            self.send_header("ETag", plan.etag)
        self.end_headers()
        sent = plan.sends.pop(0) if plan.sends else len(rest)
        self.wfile.write(rest[:sent])
        self.close_connection = True

    def log_message(self, *args: object) -> None:
        """Says nothing."""


@pytest.fixture(name="serve")
def make_server() -> Iterator[Callable[[Plan], str]]:
    """Starts a server of a plan and gives its address."""
    servers = []

    def serve(plan: Plan) -> str:
        handler = type("Handler", (_Handler,), {"plan": plan})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/archive"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


get = functools.partial(download, pause_seconds=0.0)

Serve = Callable[[Plan], str]


class TestDownload:
    def test_goes_on_where_the_connection_broke_off(self, serve: Serve, tmp_path: Path) -> None:
        plan = Plan(sends=[100_000, 50_000])
        get(serve(plan), tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == DATA
        assert plan.asked == [("", ""), ("bytes=100000-", ETAG), ("bytes=150000-", ETAG)]

    def test_goes_on_in_another_process_and_on_another_day(
        self, serve: Serve, tmp_path: Path
    ) -> None:
        plan = Plan(sends=[120_000, 0, 0, 0, 0, 0])
        url = serve(plan)
        with pytest.raises(DataError, match="5 times in a row; the same command goes on from here"):
            get(url, tmp_path / "file")
        asked = len(plan.asked)
        get(url, tmp_path / "file")
        assert plan.asked[asked:] == [("bytes=120000-", ETAG)]
        assert (tmp_path / "file").read_bytes() == DATA

    def test_what_is_whole_is_not_fetched_again(self, serve: Serve, tmp_path: Path) -> None:
        plan = Plan()
        url = serve(plan)
        get(url, tmp_path / "file")
        get(url, tmp_path / "file")
        assert len(plan.asked) == 1

    @pytest.mark.parametrize("honours_if_range", [True, False])
    def test_another_file_begins_anew(
        self, serve: Serve, tmp_path: Path, honours_if_range: bool
    ) -> None:
        plan = Plan(sends=[100_000, 0, 0, 0, 0, 0])
        url = serve(plan)
        with pytest.raises(DataError):
            get(url, tmp_path / "file")
        plan.body, plan.etag = DATA[::-1], '"two"'
        plan.honours_if_range = honours_if_range
        get(url, tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == DATA[::-1]

    def test_a_server_that_knows_no_ranges_begins_anew(self, serve: Serve, tmp_path: Path) -> None:
        plan = Plan(sends=[100_000], honours_range=False)
        get(serve(plan), tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == DATA

    def test_a_server_that_never_gets_further_is_given_up(
        self, serve: Serve, tmp_path: Path
    ) -> None:
        plan = Plan(sends=[100_000, 50_000] * 20, honours_range=False)
        with pytest.raises(DataError, match="5 times in a row"):
            get(serve(plan), tmp_path / "file")
        assert len(plan.asked) == 6

    @pytest.mark.parametrize("etag", ["", 'W/"one"'])
    def test_nothing_is_joined_that_nothing_vouches_for(
        self, serve: Serve, tmp_path: Path, etag: str
    ) -> None:
        plan = Plan(sends=[100_000], etag=etag)
        get(serve(plan), tmp_path / "file")
        assert plan.asked == [("", ""), ("", "")]
        assert (tmp_path / "file").read_bytes() == DATA

    def test_a_part_longer_than_the_file_begins_anew(self, serve: Serve, tmp_path: Path) -> None:
        plan = Plan()
        url = serve(plan)
        (tmp_path / "file").write_bytes(DATA * 2)
        known = {"url": url, "validator": ETAG, "bytes": len(DATA)}
        (tmp_path / "file.json").write_text(json.dumps(known))
        get(url, tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == DATA

    def test_waits_for_a_busy_server(self, serve: Serve, tmp_path: Path) -> None:
        get(serve(Plan(statuses=[503, 429])), tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == DATA

    def test_a_refusal_is_said_at_once(self, serve: Serve, tmp_path: Path) -> None:
        plan = Plan(statuses=[404])
        with pytest.raises(DataError, match="cannot be downloaded: the server says 404 Not Found"):
            get(serve(plan), tmp_path / "file")
        assert len(plan.asked) == 1

    def test_no_server_at_all(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"refused.*5 times in a row"):
            get("http://127.0.0.1:9/archive", tmp_path / "file")


def zipped(files: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def tarred(members: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return data.getvalue()


def archive_of(url: str, kind: str = "zip", sha256: str = "") -> Archive:
    return Archive("films", url, kind, 10_000_000, "CC BY 4.0\n", sha256)


FILMS = {"chest/NORMAL/a.png": b"a" * 99, "chest/PNEUMONIA/b.png": b"b", "__MACOSX/._a": b"x"}


class TestFetch:
    def fetch(self, archive: Archive, folder: Path) -> fetching.Fetched:
        return fetching.fetch(archive, folder, get=get)

    def test_all_of_it_is_there_with_licence_and_source(self, serve: Serve, tmp_path: Path) -> None:
        data = zipped(FILMS)
        url = serve(Plan(body=data, sends=[50]))
        came = self.fetch(archive_of(url), tmp_path / "films")
        digest = hashlib.sha256(data).hexdigest()
        assert (came.files, came.sha256) == (2, digest)
        held = {
            str(path.relative_to(tmp_path)): path.read_bytes()
            for path in tmp_path.rglob("*")
            if path.is_file()
        }
        source = json.loads(held.pop("films/SOURCE.json"))
        assert source == {"title": "films", "url": url, "sha256": digest}
        assert held == {
            "films/NORMAL/a.png": b"a" * 99,
            "films/PNEUMONIA/b.png": b"b",
            "films/LICENCE.txt": b"CC BY 4.0\n",
        }

    def test_wrong_bytes_are_refused_and_fetched_anew(self, serve: Serve, tmp_path: Path) -> None:
        data = zipped(FILMS)
        plan = Plan(body=data[:-30] + bytes(30))
        archive = archive_of(serve(plan), sha256=hashlib.sha256(data).hexdigest())
        with pytest.raises(DataError, match="is not what it was: its SHA-256 is"):
            self.fetch(archive, tmp_path / "films")
        assert not (tmp_path / "films").exists()
        plan.body = data
        assert self.fetch(archive, tmp_path / "films").files == 2

    def test_wrong_bytes_without_a_known_digest_are_found_by_the_archive(
        self, serve: Serve, tmp_path: Path
    ) -> None:
        data = zipped({"a/b.png": DATA})
        plan = Plan(body=data[:1000] + bytes([data[1000] ^ 255]) + data[1001:])
        url = serve(plan)
        with pytest.raises(DataError, match="the archive is damaged"):
            self.fetch(archive_of(url), tmp_path / "films")
        assert not (tmp_path / "films").exists()
        plan.body = data  # under the same ETag: what was damaged is not kept
        assert self.fetch(archive_of(url), tmp_path / "films").files == 1

    def test_a_taken_place_is_left_alone(self, serve: Serve, tmp_path: Path) -> None:
        (tmp_path / "films").mkdir()
        (tmp_path / "films" / "mine.txt").write_text("mine")
        plan = Plan()
        with pytest.raises(DataError, match="is not empty"):
            self.fetch(archive_of(serve(plan)), tmp_path / "films")
        assert plan.asked == []

    def test_an_empty_folder_is_a_place(self, serve: Serve, tmp_path: Path) -> None:
        (tmp_path / "films").mkdir()
        came = self.fetch(archive_of(serve(Plan(body=zipped(FILMS)))), tmp_path / "films")
        assert (came.folder / "NORMAL" / "a.png").is_file()


class TestUnpack:
    def of(self, data: bytes, kind: str, folder: Path, most_bytes: int = 10_000_000) -> int:
        (folder / "archive").write_bytes(data)
        return unpack(folder / "archive", kind, folder / "out", most_bytes)

    @pytest.mark.parametrize(
        "name", ["../evil.png", "a/../../evil.png", "/evil.png", "..\\evil.png", "C:/evil.png"]
    )
    @pytest.mark.parametrize("kind", ["zip", "tar"])
    def test_nothing_leaves_its_folder(self, tmp_path: Path, kind: str, name: str) -> None:
        data = (
            zipped({"ok.png": b"1", name: b"2"})
            if kind == "zip"
            else tarred([(tarfile.TarInfo(name), b"2")])
        )
        with pytest.raises(DataError, match="leads out of its folder"):
            self.of(data, kind, tmp_path)
        assert not list(tmp_path.rglob("*evil*"))

    def test_a_link_in_a_tar_is_refused(self, tmp_path: Path) -> None:
        link = tarfile.TarInfo("a")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        with pytest.raises(DataError, match="a link or device"):
            self.of(tarred([(link, b"")]), "tar", tmp_path)

    def test_a_link_in_a_zip_is_refused(self, tmp_path: Path) -> None:
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as archive:
            info = zipfile.ZipInfo("a")
            info.external_attr = 0o120777 << 16
            archive.writestr(info, "/etc")
        with pytest.raises(DataError, match="a link or device"):
            self.of(data.getvalue(), "zip", tmp_path)

    @pytest.mark.parametrize("kind", ["zip", "tar"])
    def test_a_bomb_stops_at_what_is_allowed(self, tmp_path: Path, kind: str) -> None:
        zeros = bytes(5_000_000)
        data = (
            zipped({"a.png": zeros, "b.png": zeros})
            if kind == "zip"
            else tarred([(tarfile.TarInfo("a.png"), zeros), (tarfile.TarInfo("b.png"), zeros)])
        )
        with pytest.raises(DataError, match="unpacks to more than is allowed"):
            self.of(data, kind, tmp_path, 6_000_000)
        written = sum(path.stat().st_size for path in (tmp_path / "out").rglob("*.png"))
        assert written <= 6_000_000

    def test_a_tar_of_films(self, tmp_path: Path) -> None:
        members = [(tarfile.TarInfo("images/a.png"), b"1"), (tarfile.TarInfo("images/b.png"), b"2")]
        assert self.of(tarred(members), "tar", tmp_path) == 2
        assert (tmp_path / "out" / "images" / "b.png").read_bytes() == b"2"

    def test_a_truncated_tar(self, tmp_path: Path) -> None:
        data = tarred([(tarfile.TarInfo("a.png"), DATA)])
        with pytest.raises(DataError, match="damaged"):
            self.of(data[: len(data) // 2], "tar", tmp_path)

    def test_a_name_twice(self, tmp_path: Path) -> None:
        twice = tarred([(tarfile.TarInfo("a.png"), b"1"), (tarfile.TarInfo("./a.png"), b"2")])
        with pytest.raises(DataError, match="twice"):
            self.of(twice, "tar", tmp_path)


class TestCommand:
    def serve_as(self, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
        monkeypatch.setitem(ARCHIVES, "kermany", replace(ARCHIVES["kermany"], url=url))

    def test_licence_and_digest_are_shown(
        self, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        data = zipped(FILMS)
        self.serve_as(monkeypatch, serve(Plan(body=data)))
        assert command.main(["kermany", "--to", str(tmp_path / "films")]) == 0
        told = capsys.readouterr().out
        assert "CC BY 4.0" in told and "10.17632/rscbjbr9sj" in told
        assert f"SHA-256 {hashlib.sha256(data).hexdigest()}, not known before" in told
        assert "CC BY 4.0" in (tmp_path / "films" / "LICENCE.txt").read_text(encoding="utf-8")

    def test_another_digest_fails(
        self, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        self.serve_as(monkeypatch, serve(Plan(body=zipped(FILMS))))
        flags = ["kermany", "--to", str(tmp_path / "films"), "--sha256", "0" * 64]
        assert command.main(flags) == 1
        assert "is not what it was" in capsys.readouterr().err

    def test_flags_that_are_wrong(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        for flags in (["nothing", "--to", "x"], ["kermany"],
                      ["kermany", "--to", "x", "--sha256", "12"]):  # fmt: skip
            with pytest.raises(SystemExit) as stopped:
                command.main(flags)
            assert stopped.value.code == 2
        (tmp_path / "mine.txt").write_text("mine")
        assert command.main(["kermany", "--to", str(tmp_path)]) == 2
        assert "is not empty" in capsys.readouterr().err

    def test_every_archive_is_told_of_in_full(self) -> None:
        assert set(ARCHIVES) == {"kermany", "nih-sample", "lung-masks"}
        for archive in ARCHIVES.values():
            assert archive.url.startswith("https://")
            assert archive.kind in ("zip", "tar")
            assert archive.title and archive.licence.endswith("\n")
