"""The model card: what the model is for, on what evidence, with which limits; people complete it.

M. Mitchell et al., Model cards for model reporting, FAT* 2019. What the run does not know is
marked for a person, never guessed.
"""

from __future__ import annotations

import logging
from typing import Any

from jinja2 import UndefinedError
from markdown_it import MarkdownIt
from markupsafe import Markup

from components.report_gen import words
from components.report_gen.audit_words import audit_lines, ungated_lines
from components.report_gen.checklist import FOR_A_PERSON, answered, identities
from components.report_gen.environment import markdown_environment, markdown_text
from components.report_gen.report import Report
from metrics.scores import AUC, CALIBRATION_ERROR, PRECISION, RECALL, SPECIFICITY
from models import features

_LOG = logging.getLogger(__name__)

CARD_FILE = "model_card.md"

# Title and TFMA's metric.
_METRICS = {
    "AUC": AUC,
    "sensitivity": RECALL,
    "specificity": SPECIFICITY,
    "precision": PRECISION,
    "calibration error (ECE)": CALIBRATION_ERROR,
    "Brier score": "brier_score",
}
_OF_A_SLICE = {"AUC": AUC, "sensitivity": RECALL, "specificity": SPECIFICITY}
_DEEPER = {"h1": "h3", "h2": "h3", "h3": "h4"}  # in a section of the page, whose title is an h2


def model_card(report: Report) -> str:
    """Returns the card as Markdown.

    Args:
        report: Of a run, however early it stopped. Where an artifact of an earlier version lacks
            what the card needs, the card says so and no more: no model is kept back for its card.
    """
    try:
        return _card(report)
    except (AttributeError, LookupError, TypeError, ValueError, UndefinedError) as error:
        _LOG.warning("the model card cannot be written", exc_info=True)
        why = markdown_text(f"What the run left behind lacks what the card needs ({error}).")
        return f"# Model card\n\n{words.NOT_A_DEVICE}\n\n{why}\n"


def _card(report: Report) -> str:
    ingest = report.data.ingest
    return (
        markdown_environment()
        .get_template("model_card.md.j2")
        .render(
            report=report,
            sentence=words.reached(report),
            not_a_device=words.NOT_A_DEVICE,
            person=FOR_A_PERSON,
            licence=ingest.get("licence", ""),
            images=_mapping(ingest.get("images")),
            patients=_mapping(ingest.get("patients")),
            labels=_label_counts(report),
            classes=features.LABELS,
            metrics=_METRICS,
            of_a_slice=_OF_A_SLICE,
            limits=[*audit_lines(report.audit), *_wanting(report)],
            overruled=[one for one in report.verdicts if one.accepted],
            told=network_has(report, "clinical"),
            marks_lesions=network_has(report, "segmentation"),
            point=_mapping(report.training.record.get("operating_point")),
            identities=identities(report),
            checklist=answered(report),
        )
    )


def network_has(report: Report, name: str) -> bool:
    """Tells whether a setting of `network` is on.

    Args:
        report: What is known of the run.
        name: Of the setting.
    """
    settings = _mapping(report.training.record.get("hyperparameters"))
    return bool(_mapping(settings.get("network")).get(name))


def card_page(card: str) -> Markup:
    """Returns a card for a section of the page.

    Args:
        card: Of `model_card`.
    """
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(card)
    for token in tokens:
        token.tag = _DEEPER.get(token.tag, token.tag)
        if token.type in ("th_open", "td_open"):
            token.attrs = {}  # the style sheet aligns
        if token.type == "th_open":
            token.attrs = {"scope": "col"}
    return Markup(markdown.renderer.render(tokens, markdown.options, {}))


def _label_counts(report: Report) -> dict[str, dict[str, int]]:
    return {
        one.split: dict(zip(one.names, map(int, one.counts), strict=True))
        for one in report.data.distributions
        if one.feature == features.LABEL
    }


def _wanting(report: Report) -> list[str]:
    """Returns gates that failed or were off, and parts that are missing: what lacks evidence."""
    failed = [one.why for one in report.verdicts if not one.passed]
    return [*failed, *ungated_lines(report.audit), *report.absent]


def _mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}
