"""The templates of the report, for HTML and for Markdown, with all that they are given escaped."""

from __future__ import annotations

import html
import math
import re
from typing import Any

import jinja2

_MARKDOWN = re.compile(r"[\\`*_{}\[\]#|~$!^]")
_BEGINS_A_BLOCK = re.compile(r"^(\d*)([-+=.)])(?=[-= ])")  # a list, a rule, a title


def environment() -> jinja2.Environment:
    """Returns the templates of pages."""
    return _environment(autoescape=True)


def markdown_environment() -> jinja2.Environment:
    """Returns the templates of Markdown files."""
    return _environment(finalize=markdown_text)


def markdown_text(value: Any) -> str:
    """Returns what stands in Markdown for a text as it is: on one line, no markup, no HTML.

    Args:
        value: From a file name, a manifest, the configuration or a measurement.
    """
    text = html.escape(" ".join(str(value).split()), quote=False)
    text = _MARKDOWN.sub(r"\\\g<0>", text).replace("://", "&#58;//")  # no address becomes a link
    return _BEGINS_A_BLOCK.sub(r"\1\\\2", text)


def number(value: float | None, digits: int = 3) -> str:
    """Returns a number for a table; a dash where it is not defined."""
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def signed(value: float | None) -> str:
    """Returns a difference with its sign; a dash where it is not defined."""
    return "-" if value is None or math.isnan(value) else f"{value:+.3f}"


def interval(bounds: Any) -> str:
    """Returns lower and upper bound, or nothing."""
    return f"{bounds[0]:.3f}-{bounds[1]:.3f}" if bounds else ""


def percent(share: float | None) -> str:
    """Returns a share as per cent; a dash where it is not defined."""
    return "-" if share is None or math.isnan(share) else f"{share:.1%}".replace("%", " %")


def _environment(**how: Any) -> jinja2.Environment:
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("components.report_gen"),
        trim_blocks=True,
        lstrip_blocks=True,
        **how,
    )
    templates.filters.update(number=number, interval=interval, percent=percent, signed=signed)
    return templates
