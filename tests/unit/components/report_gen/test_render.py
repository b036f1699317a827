"""The page as text: in its order, escaped, the same every time, small, and loading nothing."""

from __future__ import annotations

import html
import json
import re
import time
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np

from components.report_gen.pictures import BUDGET_BYTES
from components.report_gen.render import SECTIONS, render
from components.report_gen.report import Report, RunFacts
from components.verdicts import Verdict
from tests.support import encode
from tests.unit.components.report_gen.small_run import HOSTILE

MOST_BYTES, MOST_SECONDS = 10_000_000, 30


def text_of(page: str) -> str:
    return " ".join(html.unescape(re.sub("<[^>]+>", " ", page)).split())


def test_the_verdict_comes_first_and_the_sections_in_their_order(page: str) -> None:
    places = [page.index(f'id="{name}"') for name in ("verdict", *SECTIONS)]
    assert places == sorted(places)
    assert "Pushed as version 42" in page
    assert "not a medical device" in page


def test_what_comes_from_outside_is_text(page: str) -> None:
    assert HOSTILE not in page
    assert "<img src=x" not in page
    assert text_of(page).count(HOSTILE) >= 8
    scripts = re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == 2
    assert json.loads(scripts[0])["threshold"] == 0.45


def test_films_of_each_site_are_counted_by_split(page: str) -> None:
    assert f"site train eval test {HOSTILE} 300 61 7 coast 100 0 0" in text_of(page)


def test_it_is_the_same_every_time(report: Report, page: str) -> None:
    assert render(report) == page


def test_it_names_no_address_to_load_from(page: str) -> None:
    assert re.findall(r'(?:src|href)="(?!data:|#)[^"]*', page) == []
    assert "url(" not in page.replace("url(#", "")
    assert re.findall(r"@import|<iframe|<object|fetch\(", page) == []


def test_identifiers_are_its_own(page: str) -> None:
    found = re.findall(r'\bid="([^"]+)"', page)
    assert len(found) == len(set(found))
    used = re.findall(r'(?:url\(#|href="#)([\w-]+)', page)
    assert set(used) <= set(found)


def test_what_only_the_store_knows_is_added(report: Report) -> None:
    facts = RunFacts(
        run_id="20260101-000000",
        durations_seconds={"Trainer": 12.3},
        lineage=(("data root", f"/films/{HOSTILE}"),),
        configuration={"train.epochs": "3"},
    )
    text = text_of(render(replace(report, run=facts)))
    assert "Run 20260101-000000" in text
    assert "Trainer 12.3 s" in text
    assert f"data root /films/{HOSTILE}" in text
    assert "train.epochs 3" in text


def test_a_failed_gate_is_the_sentence(report: Report) -> None:
    verdicts = (
        Verdict("overall", "AUC", 0.69, 0.7, False, "AUC on overall is 0.69, 0.01 below 0.7"),
        Verdict("view=AP", "recall", 0.4, 0.5, False, "recall on view=AP is 0.4, 0.1 below 0.5"),
        *report.verdicts,
    )
    outcome = replace(report.outcome, blessed=False, pushed_version="")
    text = text_of(render(replace(report, verdicts=verdicts, outcome=outcome)))
    assert "Not pushed: a gate failed" in text
    assert "not put into use because recall on view=AP is 0.4, 0.1 below 0.5; 1 more of" in text


def test_two_hundred_films_fit(report: Report) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (512, 512, 3), dtype=np.uint8)
    picture = encode(noise)  # what compresses worst
    films = tuple(
        replace(
            report.films[0], sha256=f"{number:064x}", film=f"{number}f", heat=f"{number}h",
            feature_maps=f"{number}m",
        )
        for number in range(200)
    )  # fmt: skip
    names = [name for film in films for name in (film.film, film.heat, film.feature_maps)]
    began = time.monotonic()
    page = render(replace(report, films=films, pictures=dict.fromkeys(names, picture)))
    assert len(page) < MOST_BYTES
    assert len(page) > BUDGET_BYTES / 2  # pictures are in it
    assert time.monotonic() - began < MOST_SECONDS


class _Balance(HTMLParser):
    """Keeps the elements that are open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in {"meta", "link", "img", "input", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_every_element_is_closed(page: str) -> None:
    balance = _Balance()
    balance.feed(page)
    assert balance.open == []
