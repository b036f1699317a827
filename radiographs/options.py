"""Settings of the ingest: which folder layout, which patient, which split."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

NO_STRESS = "none"
BY_STYLE = "style"
AUTO, SITES = "auto", "sites"  # of layouts
JOIN, IGNORE = "join", "ignore"  # of near duplicates
ALL = "all"  # of spans
PUBLIC_DATA_SETS = "auto"  # instead of a pattern for the patient

_WINDOW = re.compile(r"all|last:[1-9]\d*|\d+-\d+")


class IngestOptions(BaseModel):
    """How a folder of films becomes examples in train, eval and test."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    layout: Literal["auto", "folders", "manifest", "dicom", "sites"] = Field(
        "auto",
        description="class folders, manifest.csv, or DICOM files anywhere with a CSV of labels by "
        "accession number, SOP instance UID or patient id; auto prefers a manifest, then DICOM; "
        "sites: each top folder is a hospital, with any of these layouts",
    )
    spans: str = Field(
        ALL,
        description="which of the folders span-NUMBER below the root are read, where there are "
        "some: all, the latest (last:3) or those from one number to another (20260101-20260331)",
    )
    manifest: str = Field("manifest.csv", description="file name of the manifest under the root")
    pseudonym_key_file: str = Field(
        "",
        description="key of the pseudonyms of patients, readable by its owner alone; without one, "
        "ids of DICOM get one in the home folder, and ids of folders and manifests stay",
    )
    keep_burned_in: bool = Field(
        False, description="keep DICOM films whose tags tell of text burned into the pixels"
    )
    split: Literal["auto", "given", "by_patient", "style"] = Field(
        "auto",
        description="auto keeps given splits that can do their job, given keeps all of them, "
        "by_patient ignores them; style ignores them too and holds out as test what was taken in "
        "another way than the rest",
    )
    test_styles: tuple[int, ...] = Field(
        (),
        description="styles that data.split=style holds out; none for the one with most films of "
        "its rarer class",
    )
    stress_split: Literal["none", "eval", "test"] = Field(
        "none",
        description="carved split that gets the patients whose films differ most in acquisition; "
        "none for a random one",
    )
    eval_fraction: float = Field(0.15, gt=0, lt=0.5, description="films of eval, where carved")
    test_fraction: float = Field(0.15, gt=0, lt=0.5, description="films of test, where carved")
    min_eval_films_per_class: int = Field(
        50, ge=1, description="a given eval split with fewer joins train"
    )
    label_conflicts: Literal["stop", "drop"] = Field(
        "stop",
        description="the same bytes under both labels: stop the run, or drop these films",
    )
    uncertain_labels: Literal["leave_out", "pneumonia", "normal"] = Field(
        "leave_out",
        description="what a film counts as of which a public data set says that pneumonia is "
        "uncertain, or radiologists disagree",
    )
    near_duplicates: Literal["note", "join", "ignore"] = Field(
        "note",
        description="films that show the same picture in other files: note says so of those of "
        "several patients, join keeps these patients in one split, for which all films are read "
        "twice, ignore does not look for them",
    )
    exclude_films: str = Field(
        "",
        description="CSV with a column path or sha256 of films to leave out, such as rows that a "
        "person has confirmed of the label audit's list",
    )
    patient_pattern: str = Field(
        PUBLIC_DATA_SETS,
        description="first group that holds something is the patient, on the file name or else on "
        "the path below the root; no match: the whole stem; auto knows public data sets",
    )
    subtype_pattern: str = Field(
        r"(?i)(?:^|_)(bacteria|virus)[_-]",
        description="first group that holds something is the subtype, on the file name",
    )
    min_side_px: int = Field(64, ge=1, description="smaller films are quarantined")
    max_side_px: int = Field(10_000, ge=64, description="larger films are quarantined")
    max_quarantine_fraction: float = Field(
        0.05, ge=0, le=1, description="a larger share of unusable files stops the run"
    )
    seed: int = Field(0, ge=0, lt=2**31, description="of the split")

    @property
    def of_one_site(self) -> IngestOptions:
        """The same options for a folder of one site and span, as each of several is read."""
        layout = AUTO if self.layout == SITES else self.layout
        return self.model_copy(update={"layout": layout, "spans": ALL})

    @field_validator("spans")
    @classmethod
    def _is_window(cls, spans: str) -> str:
        numbers = spans.split("-") if "-" in spans else ("0", "0")
        if not _WINDOW.fullmatch(spans) or int(numbers[0]) > int(numbers[1]):
            raise ValueError(f"'{spans}' is none of all, last:3 and 20260101-20260331")
        return spans

    @field_validator("patient_pattern", "subtype_pattern")
    @classmethod
    def _is_pattern(cls, pattern: str, info: ValidationInfo) -> str:
        if info.field_name == "patient_pattern" and pattern == PUBLIC_DATA_SETS:
            return pattern
        try:
            groups = re.compile(pattern).groups
        except re.error as error:
            raise ValueError(f"'{pattern}' is no regular expression: {error}") from None
        if not groups:
            raise ValueError(f"'{pattern}' needs a group in parentheses")
        return pattern
