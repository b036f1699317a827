"""From samples and the times of components to the table: parts of the pipeline, totals, ratios."""

from __future__ import annotations

import platform
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from benchmarks.processes import Measured, Sample, Span, peak_mb

BEFORE = "start and imports"
AFTER = "account and report"

_LIBRARIES = {"TFX": "tfx", "TensorFlow": "tensorflow", "Keras": "keras"}


@dataclass(frozen=True)
class Part:
    """Time and memory of a component or of a whole command.

    Attributes:
        name: What it is.
        seconds: How long it took.
        peak_mb: Most resident memory meanwhile, in millions of bytes.
    """

    name: str
    seconds: float
    peak_mb: float


@dataclass(frozen=True)
class Work:
    """What both sides did.

    Attributes:
        films: Number by split.
        image_size_px: Height and width the network sees.
        epochs: Passes over the training films.
        batch_size: Films in a step.
        pipeline_test_auc: On the test films, by the pipeline's Evaluator.
        bare_test_auc: On the same films, by Keras.
        fixed_settings: Overrides of the pipeline that the comparison needs.
    """

    films: dict[str, int]
    image_size_px: int
    epochs: int
    batch_size: int
    pipeline_test_auc: float
    bare_test_auc: float
    fixed_settings: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """The pipeline against the bare script.

    Attributes:
        parts: Of the pipeline, in order of time.
        pipeline: As a whole.
        bare: The bare script as a whole.
        work: What both did.
        machine: What they did it on.
    """

    parts: tuple[Part, ...]
    pipeline: Part
    bare: Part
    work: Work
    machine: dict[str, str]

    @property
    def time_ratio(self) -> float:
        """Time of the pipeline over time of the bare script."""
        return self.pipeline.seconds / self.bare.seconds

    @property
    def memory_ratio(self) -> float:
        """Peak memory of the pipeline over that of the bare script."""
        return self.pipeline.peak_mb / self.bare.peak_mb

    def to_json(self) -> dict[str, Any]:
        """Returns all numbers, the ratios included."""
        return {**asdict(self), "time_ratio": self.time_ratio, "memory_ratio": self.memory_ratio}

    def to_markdown(self) -> str:
        """Returns the table, and what was done on what machine below it."""
        lines = ["| component | seconds | peak memory, MB |", "|---|---:|---:|"]
        lines += [f"| {one.name} | {one.seconds:.1f} | {one.peak_mb:,.0f} |" for one in self.parts]
        lines += [
            f"| **{one.name}** | **{one.seconds:.1f}** | **{one.peak_mb:,.0f}** |"
            for one in (self.pipeline, self.bare)
        ]
        lines.append(
            f"| **pipeline / bare** | **{self.time_ratio:.2f}** | **{self.memory_ratio:.2f}** |"
        )
        return "\n".join([*lines, "", *_work_lines(self.work), _machine_line(self.machine)])


def pipeline_parts(measured: Measured, components: Sequence[Span]) -> tuple[Part, ...]:
    """Cuts a run of the pipeline into its components.

    Args:
        measured: The run.
        components: When each of them ran, in their order.

    Returns:
        Start, components in their order, and end, which together fill the run.

    Raises:
        ValueError: If there is no component.
    """
    if not components:
        raise ValueError("no component of the pipeline has finished")
    spans = [
        Span(BEFORE, measured.whole.started, components[0].started),
        *components,
        Span(AFTER, components[-1].ended, measured.whole.ended),
    ]
    return tuple(_part(span, measured.samples) for span in spans)


def whole(measured: Measured) -> Part:
    """Returns a command as one part."""
    return _part(measured.whole, measured.samples)


def describe_machine() -> dict[str, str]:
    """Returns processor, cores, memory and versions, and nothing that names the machine."""
    return {
        "processor": _processor(),
        "cores": str(psutil.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 1e9:.0f} GB",
        "Python": platform.python_version(),
        **{name: version(package) for name, package in _LIBRARIES.items()},
    }


def _part(span: Span, samples: Sequence[Sample]) -> Part:
    return Part(span.name, span.seconds, peak_mb(samples, span))


def _work_lines(work: Work) -> list[str]:
    films = ", ".join(f"{count:,} {split}" for split, count in work.films.items())
    return [
        f"Films: {films}; {work.image_size_px} pixels, {work.epochs} epochs, batches of "
        f"{work.batch_size}.",
        f"Test AUC: pipeline {work.pipeline_test_auc:.4f}, bare {work.bare_test_auc:.4f}.",
        f"Settings that the comparison needs: {', '.join(work.fixed_settings)}.",
    ]


def _machine_line(machine: dict[str, str]) -> str:
    return f"Machine: {', '.join(f'{name} {value}' for name, value in machine.items())}."


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    named = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return named.group(1) if named else platform.machine()
