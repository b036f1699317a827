"""What readers of a study ask for, answered from the run as far as it knows.

Items of CLAIM (J. Mongan, L. Moy, C. E. Kahn, Radiology: Artificial Intelligence 2, e200029, 2020)
and of TRIPOD+AI (G. S. Collins et al., BMJ 385, e078378, 2024), by their numbers, in our words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from components.report_gen.report import Report
from components.report_gen.words import epochs_learned

FOR_A_PERSON = "for a person"


@dataclass(frozen=True)
class Item:
    """Something to be reported.

    Attributes:
        claim: Number in CLAIM, or empty.
        tripod: Number in TRIPOD+AI, or empty.
        asks: What has to be told.
        answer: From the run; empty where it does not know. None where no run can.
    """

    claim: str
    tripod: str
    asks: str
    answer: Callable[[Report], str] | None = None


def answered(report: Report) -> list[tuple[Item, str]]:
    """Returns every item with what the run says of it, or `FOR_A_PERSON`.

    Args:
        report: Of a run.
    """
    return [(item, _answer(item, report)) for item in ITEMS]


def _answer(item: Item, report: Report) -> str:
    try:
        return (item.answer and item.answer(report)) or FOR_A_PERSON
    except (AttributeError, LookupError, TypeError, ValueError):  # of an earlier version
        return FOR_A_PERSON


def _settings(report: Report) -> dict[str, Any]:
    return report.training.record["hyperparameters"]


def _layout(report: Report) -> str:
    ingest = report.data.ingest
    films, rejected = sum(ingest["images"].values()), ingest["rejected"]
    return f"{films:,} films, found as {ingest['layout']}; unusable files: {rejected:,}"


def _preprocessing(report: Report) -> str:
    chosen = _settings(report)["preprocessing"]
    told = ", ".join(f"{name} {value}" for name, value in chosen.items())
    return f"in the served graph itself: {told}"


def _missing(report: Report) -> str:
    ingest = report.data.ingest
    return (
        "what a film does not say is its own value, unknown; "
        f"{ingest['rejected']:,} unusable files and {ingest['ignored']:,} others are listed by name"
    )


def identities(report: Report) -> str:
    """Returns what patients are called by in the run; empty where its ingest does not tell.

    Args:
        report: Of a run.
    """
    has_pseudonyms = report.data.ingest.get("pseudonyms")
    if has_pseudonyms is None:  # of an earlier version
        return ""
    if has_pseudonyms:
        return "patients are pseudonyms (HMAC-SHA-256), whose key is not part of the run"
    return (
        "patients are called as the file names or tables of the films call them, since no key of "
        "pseudonyms was set (data.pseudonym_key_file)"
    )


def _split(report: Report) -> str:
    images = report.data.ingest["images"]
    return ", ".join(f"{split} {films:,}" for split, films in images.items()) + " films"


def _patients(report: Report) -> str:
    patients = report.data.ingest["patients"]
    counts = ", ".join(f"{split} {number:,}" for split, number in patients.items())
    return f"by patient, as far as names and tables tell them apart: {counts} patients"


def _model(report: Report) -> str:
    network = _settings(report)["network"]
    told = ", ".join(f"{name} {value}" for name, value in network.items())
    return f"{report.training.record['parameters']:,} parameters; {told}"


def _training(report: Report) -> str:
    epochs = epochs_learned(report.training.record["history"])
    return f"{epochs}; every setting is in the section on training of the report"


def _ensemble(report: Report) -> str:
    settings = _settings(report)
    members = settings["train"].get("members", 1)
    networks = "one network" if members == 1 else f"the mean logit of {members} networks"
    mirrored = ", asked with the mirror image too" if settings["network"]["flip_average"] else ""
    return f"{networks}{mirrored}"


def _selection(report: Report) -> str:
    point = report.training.record["operating_point"]
    searched = len(report.training.trials)
    trials = f"the best of {searched} trials; " if searched else ""
    return (
        f"{trials}best epoch by the eval split, where the threshold was set too "
        f"({point['threshold']:.4f})"
    )


def _metrics(report: Report) -> str:
    overall = report.slices[0]
    return f"AUC, sensitivity, specificity, precision and calibration of {overall.films:,} films"


def _uncertainty(report: Report) -> str:
    return "95 % intervals, from drawing patients anew" if report.slices[0].intervals else ""


def _robustness(report: Report) -> str:
    changes = [row["name"] for row in report.audit["shifts"][1:]]
    return f"{len(changes)} acquisition changes: {', '.join(changes)}" if changes else ""


def _explained(report: Report) -> str:
    return f"heat and boxes of {len(report.films)} test films" if report.films else ""


def _external(report: Report) -> str:
    site = report.audit["external"]
    return f"{site['films']:,} films of {site['patients']:,} patients" if site else ""


def _spread(report: Report) -> str:
    shown = list(dict.fromkeys(one.feature for one in report.data.distributions))
    return f"by split, in the section on data of the report: {', '.join(shown)}" if shown else ""


def _accuracy(report: Report) -> str:
    overall = report.slices[0]
    return f"AUC {overall.metrics['auc']:.3f}; the table of metrics above has the others"


def _failures(report: Report) -> str:
    if report.performance is None:
        return ""
    confusion = report.performance.confusion
    return (
        f"{confusion['false_negatives']} pneumonias were called normal, "
        f"{confusion['false_positives']} normal films pneumonia; the gallery of the report has some"
    )


def _fairness(report: Report) -> str:
    slices = list(dict.fromkeys(one.feature for one in report.slices[1:]))
    return f"metrics and gates by slice: {', '.join(slices)}" if slices else ""


def _imbalance(report: Report) -> str:
    train = _settings(report)["train"]
    if train.get("objective") == "worst_group":  # each class of a group counts by itself
        return f"train.objective=worst_group over classes and {train['group_by']}"
    return f"train.imbalance={train['imbalance']}"


def _specification(report: Report) -> str:
    return "the SavedModel beside this card holds preparation, weights, calibration and threshold"


ITEMS = (
    Item("1", "1", "title: that it is a study of an AI, and of which kind"),
    Item("2", "2", "structured summary"),
    Item("3", "3", "clinical background, and the role that the model is to play"),
    Item("4", "4", "aims and hypotheses"),
    Item("5", "5", "prospective or retrospective"),
    Item("6", "4", "goal of the study"),
    Item("7", "5", "sources of the data", _layout),
    Item("8", "6", "who was eligible, where and when"),
    Item("9", "7", "preparation of the data", _preprocessing),
    Item("10", "7", "parts of the data that were used", _missing),
    Item("11", "9", "definition of data elements, by common terms"),
    Item("12", "17", "de-identification", identities),
    Item("13", "11", "what is missing in the data, and what was done", _missing),
    Item("14", "8", "definition of the reference standard"),
    Item("15", "8", "why this reference standard"),
    Item("16", "8", "who labelled the films, and with what training"),
    Item("17", "8", "tools of annotation"),
    Item("18", "8", "agreement within and between readers"),
    Item("19", "10", "sample size, and why it is enough", _split),
    Item("20", "12", "how films were assigned to splits", _split),
    Item("21", "16", "what the splits share, and what not", _patients),
    Item("22", "22", "the model in detail", _model),
    Item("23", "18", "software", lambda report: "TFX, TensorFlow and Keras, pinned by lock files"),
    Item(
        "24", "12", "initial weights", lambda report: str(_settings(report)["network"]["weights"])
    ),
    Item("25", "12", "training in detail", _training),
    Item("26", "12", "how the final model was chosen", _selection),
    Item("27", "12", "ensembles", _ensemble),
    Item("28", "12", "metrics of performance", _metrics),
    Item("29", "12", "measures of uncertainty", _uncertainty),
    Item("30", "12", "robustness", _robustness),
    Item("31", "15", "explanation of answers", _explained),
    Item("32", "12", "test on external data", _external),
    Item("33", "20", "flow of participants", _layout),
    Item("34", "20", "demography and clinical features by split", _spread),
    Item("35", "23", "performance", _metrics),
    Item("36", "23", "diagnostic accuracy with its precision", _accuracy),
    Item("37", "23", "analysis of wrong answers", _failures),
    Item(
        "38", "26", "limits: bias, uncertainty, generalisation", lambda report: "see limits above"
    ),
    Item("39", "25, 27", "implications for practice"),
    Item("40", "18d", "registration"),
    Item("41", "18c", "where the protocol is"),
    Item("42", "18a, 18b", "funding and conflicts of interest"),
    Item("", "13", "class imbalance", _imbalance),
    Item("", "14", "fairness", _fairness),
    Item("", "15", "form of the answer", lambda report: "a calibrated probability and a label"),
    Item("", "17", "approval by an ethics committee"),
    Item("", "18e, 18f", "access to data and code"),
    Item("", "19", "part that patients and the public had"),
    Item("", "21", "development: films and cases in each analysis", _split),
    Item("", "22", "the model itself, so that others can use it", _specification),
    Item("", "24", "updates of the model"),
)
