"""Model quality: spread over seeds, resuming, ablations as settings, what a failure says.

A script stands in for `local_runner.py`; all else is what a user calls.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from rich.console import Console
from scipy import stats
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from benchmarks import model_quality, quality_runs
from benchmarks.ablations import LEAN_SETTINGS, ablations, why_left_out
from benchmarks.quality_runs import Bench, BenchmarkError, Films, Record, Variant, folder_digest
from benchmarks.quality_tables import (
    AUC,
    CALIBRATION,
    OTHER_FRAME,
    SAME_FRAME,
    TEST,
    UNCHANGED,
    Ablation,
    ablation_report,
    metric_of,
    quality_report,
    worst_shift,
    worst_style,
)
from models import features
from models.hyperparameters import Hyperparameters, Network
from models.network import build_network
from pipeline.config import ConfigError, load_config
from radiographs.options import IngestOptions
from tests.support import write_films

AUCS = (0.981, 0.987, 0.984, 0.990, 0.979)

FAKE_RUNNER = """
import argparse, json, os, pathlib
parser = argparse.ArgumentParser()
for flag in ("--data-root", "--workdir", "--preset"):
    parser.add_argument(flag)
parser.add_argument("--set", action="append")
flags = parser.parse_args()
settings = dict(one.split("=") for one in flags.set)
seed, epochs = int(settings["train.seed"]), int(settings.get("train.epochs", 16))
with open("calls.txt", "a") as calls:
    calls.write(json.dumps(settings) + "\\n")
print("a word of the run")
if settings.get("train.batch_size") == "7":
    raise SystemExit(3)
runs = pathlib.Path(flags.workdir) / "runs"
run_id = f"run{len(list(runs.glob('run*')))}"
(runs / run_id).mkdir(parents=True)
(runs / "latest").unlink(missing_ok=True)
(runs / "latest").symlink_to(run_id)
metrics = dict.fromkeys(
    ("binary_accuracy", "recall", "specificity", "expected_calibration_error", "brier_score"), 0.5
)
gain = 0.01 if settings.get("preprocessing.contrast") == "clahe" else 0
splits = {"train": 70, "eval": 15, "test": 15}
(runs / run_id / "summary.json").write_text(json.dumps({
    "run_id": run_id,
    "data": {"images": splits, "patients": splits, "rejected": 0},
    "metrics": {"overall": {"auc": 0.9 + 0.01 * seed + gain, **metrics}},
    "hyperparameters": {"train": {"epochs": epochs, "seed": seed, "weight_decay": 0.0}},
    "cached": [],
    "durations_seconds": {"Trainer": 60.0},
}))
raise SystemExit(4)
"""


def record(
    seed: int,
    auc: float | None,
    seconds: float | None = 60.0,
    cached: Sequence[str] = (),
    **audit: Any,
) -> Record:
    """Returns what a run could have left behind."""
    metrics: dict[str, Any] = dict.fromkeys(
        ("binary_accuracy", "recall", "specificity", "expected_calibration_error", "brier_score"),
        0.5,
    )
    summary = {
        "metrics": {"overall": {"auc": auc, **metrics}},
        "hyperparameters": Hyperparameters().model_dump(),
        "durations_seconds": {"Trainer": 90.0},
        "cached": list(cached),
        "audit": audit,
    }
    other = {"films": 9, "rejected": 1, "fingerprint": "", "metrics": {"auc": 0.7, **metrics}}
    return Record("standard", seed, seconds, summary, {"adults": other})


def cells(report: str, *row: str) -> list[str]:
    """Returns the rest of the row that begins with these cells."""
    rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in report.splitlines())
    return next(one[len(row) :] for one in rows if one[: len(row)] == list(row))


# Aggregation.


def test_the_table_names_the_worst_seed_of_each_metric() -> None:
    report = quality_report([record(seed, auc) for seed, auc in enumerate(AUCS)])
    mean, stddev, interval, worst = cells(report, TEST, "AUC")
    assert float(mean) == pytest.approx(np.mean(AUCS), abs=5e-5)
    assert float(stddev) == pytest.approx(np.std(AUCS, ddof=1), abs=5e-5)
    low, high = stats.t.interval(0.95, 4, np.mean(AUCS), stats.sem(AUCS))
    assert interval == f"{low:.4f} to {high:.4f}"
    assert worst == "0.9790 (seed 4)"
    assert cells(report, "adults", "AUC")[0] == "0.7000"


def test_the_worst_calibration_error_is_the_largest() -> None:
    records = [record(seed, 0.9) for seed in range(3)]
    for one, error in zip(records, (0.02, 0.05, 0.01), strict=True):
        one.summary["metrics"]["overall"]["expected_calibration_error"] = error
    report = quality_report(records)
    assert cells(report, TEST, "calibration error")[-1] == "0.0500 (seed 1)"


def test_an_interval_ends_at_1() -> None:
    aucs = [0.999, 0.97]
    low, high = stats.t.interval(0.95, 1, np.mean(aucs), stats.sem(aucs))
    assert high > 1
    report = quality_report([record(seed, auc) for seed, auc in enumerate(aucs)])
    assert cells(report, TEST, "AUC")[2] == f"{low:.4f} to 1.0000"


def test_an_undefined_metric_is_not_averaged_away() -> None:
    report = quality_report([record(0, 0.9), record(1, None)])
    assert cells(report, TEST, "AUC") == ["n/a"] * 4
    assert cells(report, TEST, "accuracy")[0] == "0.5000"


def shift(name: str, auc: float) -> dict[str, Any]:
    return {"name": name, "films": 40, "auc": auc, "recall": 0.8, "specificity": 0.9}


def test_the_worst_shift_is_found_for_each_seed() -> None:
    records = [
        record(0, 0.9, shifts=[shift(UNCHANGED, 0.5), shift("blur", 0.8), shift("gamma", 0.7)]),
        record(1, 0.9, shifts=[shift(UNCHANGED, 0.5), shift("blur", 0.6), shift("gamma", 0.9)]),
    ]
    report = quality_report(records)
    assert [worst_shift(one, "auc") for one in records] == [0.7, 0.6]
    assert cells(report, "worst of each seed")[0] == "0.6500"
    assert cells(report, "worst of each seed")[3:] == ["0.6000 (seed 1)", "0.8000", "0.9000"]
    assert cells(report, "blur")[0] == "0.7000"
    assert cells(report, "blur")[-2:] == ["0.8000", "0.9000"]


def swaps(other: float) -> dict[str, Any]:
    decided = {"recall": 0.8, "specificity": 0.6}
    aucs = {SAME_FRAME: 0.95, OTHER_FRAME: other}
    rows = [{"name": name, "metrics": {"auc": auc, **decided}} for name, auc in aucs.items()]
    return {"left_out": 0, "films": 40, "rows": rows}


def test_swapped_frames_are_shown_by_kind_and_in_each_ablation() -> None:
    standard = [record(seed, 0.9, frame_swaps=swaps(auc)) for seed, auc in enumerate((0.7, 0.8))]
    changed = [record(seed, 0.9, frame_swaps=swaps(auc)) for seed, auc in enumerate((0.9, 0.9))]
    row = cells(quality_report(standard), OTHER_FRAME)
    assert (row[0], row[3:]) == ("0.7500", ["0.7000 (seed 0)", "0.8000", "0.6000"])
    report = ablation_report(standard, [Ablation("swap", {"a.b": 1}, changed)], {})
    columns = cells(report, "changed", "settings")
    assert cells(report, "swap", "`a.b=1`")[columns.index(OTHER_FRAME)].startswith("+0.1500")
    assert cells(report, "swap", "`a.b=1`")[columns.index(SAME_FRAME)].startswith("+0.0000")


def style(auc: float | None, error: float, normal: int, ill: int) -> dict[str, Any]:
    metrics = {"binary_accuracy": 0.5, "recall": 0.5, "specificity": None}
    counted = {"films": normal + ill, "pneumonia_films": ill}
    return {"auc": auc, "expected_calibration_error": error, **metrics, **counted}


def test_the_worst_style_has_films_of_both_classes() -> None:
    one, none = record(0, 0.9), record(0, 0.9)
    one.summary["metrics"]["slices"] = {
        "style=1": style(0.9, 0.02, 80, 60),
        "style=2": style(0.8, 0.01, 5, 60),
        "style=3": style(0.7, 0.03, 4, 60),
        "style=4": style(None, 0.04, 0, 60),
        "style=5": style(0.6, 0.05, 60, 4),
        "view=AP": style(0.5, 0.06, 60, 60),
    }
    assert (worst_style(one, AUC), worst_style(one, CALIBRATION)) == (0.8, 0.02)
    assert math.isnan(worst_style(none, AUC))
    report = ablation_report([one], [Ablation("none", {"a.b": 1}, [one])], {})
    for column, worst in {
        "worst style AUC": "0.8000",
        "worst style calibration error": "0.0200",
    }.items():
        assert cells(report, "standard")[cells(report, "changed").index(column)] == worst


def test_styles_are_shown_one_by_one_and_sites_where_there_are_several() -> None:
    records = [record(seed, 0.9) for seed in range(2)]
    for one, error in zip(records, (0.02, 0.04), strict=True):
        one.summary["metrics"]["slices"] = {
            "style=1": style(0.9, error, 80, 60),
            "style=2": style(0.9, error, 80, 60),
            "site=here": style(0.9, 0.1, 80, 60),
        }
    report = quality_report(records)
    columns, row = cells(report, "films alike"), cells(report, "style=1")
    assert (row[:3], row[-1]) == (["140", "60", "0.9000"], "0.0300")
    assert (columns[-1], row[columns.index("mean specificity")]) == (
        "mean calibration error",
        "n/a",
    )
    assert "site=" not in report
    for one in records:
        one.summary["metrics"]["slices"]["site=there"] = style(0.8, 0.2, 80, 60)
    assert cells(quality_report(records), "site=there")[-1] == "0.2000"


def test_controls_come_with_their_margin() -> None:
    controls = [[{"name": "outer frame", "auc": auc, "margin": 0.95 - auc}] for auc in (0.80, 0.84)]
    report = quality_report([record(i, 0.95, controls=one) for i, one in enumerate(controls)])
    auc, _, margin, _, _, worst = cells(report, "outer frame")
    assert (auc, margin, worst) == ("0.8200", "0.1300", "0.1100 (seed 1)")


def test_a_report_says_which_audits_were_off() -> None:
    report = quality_report([record(0, 0.9)])
    assert "Acquisition changes: not audited in these runs." in report
    assert "Frames swapped: not audited in these runs." in report
    assert "Controls that see no lungs: not audited in these runs." in report


def test_subtypes_are_shown_where_the_model_tells_them_apart() -> None:
    assert "viral" not in quality_report([record(0, 0.9, model={"subtype_auc": None})])
    report = quality_report([record(0, 0.9, model={"subtype_auc": 0.91})])
    assert cells(report, TEST, "bacterial against viral AUC")[0] == "0.9100"


def test_wall_time_tells_whole_runs_from_those_with_a_cache() -> None:
    records = [
        record(0, 0.9, seconds=600.0, cached=["ImportSchemaGen"]),
        record(1, 0.9, seconds=240.0, cached=["Transform"]),
        record(2, 0.9, seconds=360.0, cached=["Transform"]),
        record(3, 0.9, seconds=None),
    ]
    report = quality_report(records)
    assert "10.0 min for a run from the beginning (1)" in report
    assert "5.0 min for one that found its films prepared (2)" in report
    assert "interrupted run (1)" in report


def test_an_ablation_is_compared_seed_by_seed() -> None:
    after = (0.983, 0.988, 0.989, 0.989, 0.985)
    standard = [record(seed, auc) for seed, auc in enumerate(AUCS)]
    changed = [record(seed, auc) for seed, auc in enumerate(after)]
    settings = {"train.mixup": 0.2}
    left_out = {"mixup 0": "the standard has it", "resolution 224": "too large"}
    report = ablation_report(standard, [Ablation("mixup", settings, changed)], left_out)
    paired = stats.ttest_rel(after, AUCS).confidence_interval(0.95)
    difference = np.mean(after) - np.mean(AUCS)
    text = f"{difference:+.4f} ± {(paired.high - paired.low) / 2:.4f}"
    assert cells(report, "mixup", "`train.mixup=0.2`")[0] == text
    assert cells(report, "standard", "")[0] == f"{np.mean(AUCS):.4f}"
    assert cells(report, "standard", "")[-1] == "1.5"
    assert report.endswith("Left out: mixup 0 (the standard has it); resolution 224 (too large).")


# Ablations as settings.


@pytest.mark.parametrize("name", ablations(Hyperparameters()))
def test_each_ablation_is_a_setting_that_the_pipeline_takes(name: str) -> None:
    settings = ablations(Hyperparameters())[name]
    variant = Variant("standard", "standard").changed(name, {**LEAN_SETTINGS, **settings})
    config = variant.config(seed=3)
    for setting, value in settings.items():
        part, _, leaf = setting.partition(".")
        assert getattr(getattr(config, part), leaf) == value
        assert setting in config.tuner.keep  # an import would overrule it otherwise
    assert not config.evaluation.shortcut_audit
    assert config.train.seed == 3


@pytest.mark.parametrize("width", [4, 16, 30, 128])
def test_widths_follow_the_standard(width: int) -> None:
    base = load_config(overrides=[f"network.width={width}"]).hyperparameters
    rows = ablations(base)
    assert rows["twice the epochs"]["train.epochs"] == 2 * base.train.epochs
    assert rows["half the width"]["network.width"] == max(4, width // 2)
    assert rows["1.5 times the width"]["network.width"] == min(128, width * 3 // 2)
    half = {
        f"augmentation.{name}": getattr(base.augmentation, name) / 2 for name in ("aspect", "shift")
    }
    assert rows["half the aspect and shift"] == half
    assert list(rows) == list(ablations(Hyperparameters()))


@pytest.mark.parametrize(("size_px", "deeper"), [(64, 5), (128, 6)])
def test_depth_stays_within_the_image(size_px: int, deeper: int) -> None:
    base = load_config(overrides=[f"preprocessing.image_size_px={size_px}"]).hyperparameters
    rows = ablations(base)
    assert base.network.depth == 5
    assert rows["one block less"]["network.depth"] == 4
    assert rows["one block more"]["network.depth"] == deeper
    build_network(size_px, Network(width=4, depth=deeper))  # which refuses what is too deep


def test_a_row_that_the_standard_has_already_changes_nothing() -> None:
    base = load_config(
        overrides=["preprocessing.contrast=none", "augmentation.strength=0"]
    ).hyperparameters
    rows = ablations(base)
    assert why_left_out(base, rows["contrast none"]) == "the standard has it"
    assert why_left_out(base, rows["contrast equalize"]) == ""
    assert why_left_out(base, rows["no augmentation"]) == "the standard has it"


def test_the_box_of_the_lungs_is_left_alone_where_none_is_looked_for() -> None:
    for lungs, why in (("none", "no lungs are looked for"), ("crop", "")):
        base = load_config(overrides=[f"preprocessing.lungs={lungs}"]).hyperparameters
        rows = ablations(base)
        for name in ("box made square", "no margin around lungs", "twice the margin around lungs"):
            assert why_left_out(base, rows[name]) == why


@pytest.mark.parametrize("network", [{"backbone": "resnet50"}, {"weights": "earlier.keras"}])
def test_the_shape_of_another_network_is_not_varied(network: dict[str, str]) -> None:
    base = Hyperparameters.model_validate({"network": network})
    left_out = {
        name
        for name, settings in ablations(base).items()
        if why_left_out(base, settings).startswith("the shape is that of")
    }
    assert left_out == {
        "residual blocks", "with squeeze-excite", "half the width", "1.5 times the width",
        "one block less", "one block more",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("network", "why"),
    [
        ({}, "what is below the head has learnt nothing yet"),
        ({"backbone": "resnet50"}, "what is below the head has learnt nothing yet"),
        ({"backbone": "efficientnet_lite0", "weights": "imagenet"}, ""),
    ],
)
def test_a_head_learns_alone_upon_weights_that_are_learnt(
    network: dict[str, str], why: str
) -> None:
    base = Hyperparameters.model_validate({"network": network})
    assert why_left_out(base, ablations(base)["head alone learns"]) == why


# Runs.


@pytest.fixture(autouse=True)
def in_new_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = tmp_path / "fake_runner.py"
    runner.write_text(FAKE_RUNNER, encoding="utf-8")
    monkeypatch.setattr(quality_runs, "RUNNER", runner)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def films(tmp_path: Path) -> Films:
    write_films(tmp_path / "films", features.NORMAL, 2)
    return Films(tmp_path / "films", {})


def bench(films: Films) -> Bench:
    return Bench(films, Path("bench"), Console(quiet=True))


def calls() -> list[dict[str, str]]:
    lines = Path("calls.txt").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


STANDARD = Variant("standard", "standard")


def test_every_seed_is_a_run_of_its_own(films: Films) -> None:
    records = bench(films).measure(STANDARD, range(3))
    assert [call["train.seed"] for call in calls()] == ["0", "1", "2"]
    assert [metric_of(one, TEST, "auc") for one in records] == pytest.approx([0.9, 0.91, 0.92])
    assert all(one.seconds is not None and one.seconds > 0 for one in records)
    log = Path("bench/logs/standard-seed-2.txt").read_text(encoding="utf-8")
    assert log == "a word of the run\n"


def test_what_is_done_is_not_run_again(films: Films) -> None:
    first = bench(films).measure(STANDARD, range(2))
    again = bench(films).measure(STANDARD, range(3))
    assert [call["train.seed"] for call in calls()] == ["0", "1", "2"]
    assert again[:2] == first


def test_changed_settings_are_run(films: Films) -> None:
    bench(films).measure(STANDARD, [0])
    bench(films).measure(STANDARD.changed("standard", {"train.epochs": 3}), [0])
    assert [call.get("train.epochs") for call in calls()] == [None, "3"]


def test_changed_films_and_changed_code_are_run(
    films: Films, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench(films).measure(STANDARD, [0])
    write_films(films.data_root, features.PNEUMONIA, 1)
    bench(films).measure(STANDARD, [0])
    assert len(calls()) == 2
    monkeypatch.setattr(quality_runs, "source_fingerprint", lambda: "other code")
    bench(films).measure(STANDARD, [0])
    assert len(calls()) == 3


def test_a_failed_run_is_named_with_its_log(films: Films) -> None:
    failing = STANDARD.changed("small batches", {"train.batch_size": 7})
    with pytest.raises(BenchmarkError) as error:
        bench(films).measure(failing, [1])
    log = Path("bench/logs/small-batches-seed-1.txt").resolve()
    assert str(error.value) == (
        f"the run of variant small batches with seed 1 ended with exit status 3; see its log {log}"
    )
    assert log.read_text(encoding="utf-8") == "a word of the run\n"
    assert not Path("bench/results.json").exists()


def test_a_training_that_was_taken_up_has_no_wall_time(
    films: Films, monkeypatch: pytest.MonkeyPatch
) -> None:
    half_done = Path("bench/pipeline/checkpoints/digest").resolve()
    half_done.mkdir(parents=True)
    script = quality_runs.RUNNER.read_text(encoding="utf-8")
    quality_runs.RUNNER.write_text(
        script.replace("raise SystemExit(4)", f"os.rmdir({str(half_done)!r})"), encoding="utf-8"
    )
    (one,) = bench(films).measure(STANDARD, [0])
    assert one.seconds is None


def test_a_spoilt_results_file_is_refused(films: Films) -> None:
    bench(films).measure(STANDARD, [0])
    Path("bench/results.json").write_text('{"key": {"variant"', encoding="utf-8")
    with pytest.raises(BenchmarkError, match=r"results\.json cannot be read"):
        bench(films)


def test_another_site_is_scored_without_training_anew(
    films: Films, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[str] = []

    def score(variant: Variant, one: Record, roots: dict[str, Path]) -> dict[str, dict[str, Any]]:
        scored.extend(roots)
        return {
            name: {"fingerprint": folder_digest(root), "metrics": {"auc": 0.7}}
            for name, root in roots.items()
        }

    bench(films).measure(STANDARD, [0])
    with_site = Films(films.data_root, {"adults": tmp_path / "adults"})
    for seed in range(2):  # the second time the site has other films
        write_films(tmp_path / "adults", features.NORMAL, 1 + seed)
        for _ in range(2):
            second = bench(with_site)
            monkeypatch.setattr(second, "_score_external", score)
            (one,) = second.measure(STANDARD, [0])
    assert len(calls()) == 1
    assert scored == ["adults", "adults"]
    assert metric_of(one, "adults", "auc") == 0.7
    (one,) = bench(films).measure(STANDARD, [0])
    assert one.external == {}


class Brightness(tf.Module):
    """Takes bright films for pneumonia."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name=features.IMAGE_BYTES)])
    def predict(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        probability = tf.map_fn(
            lambda image: tf.reduce_mean(tf.cast(tf.io.decode_png(image, 1), tf.float32)) / 255,
            image_bytes,
            fn_output_signature=tf.float32,
        )
        return {
            features.PROBABILITY: probability,
            features.PREDICTED_LABEL: tf.where(
                probability > 0.5, features.PNEUMONIA, features.NORMAL
            ),
            features.CLASS_PROBABILITIES: tf.stack([1 - probability, probability], axis=1),
        }


def test_external_metrics_agree_with_scikit_learn(tmp_path: Path) -> None:
    site = tmp_path / "adults"
    write_films(site, features.NORMAL, 12)
    write_films(site, features.PNEUMONIA, 9, first_seed=50)
    model = Brightness()
    served = tmp_path / "model" / "Format-Serving"
    tf.saved_model.save(model, str(served), signatures={features.PREDICT_IMAGES: model.predict})
    scores = quality_runs.score_sites(str(served.parent), {"adults": site}, IngestOptions())
    files = sorted(site.rglob("*.png"))
    labels = [file.parent.name == features.PNEUMONIA for file in files]
    answers = model.predict(tf.constant([file.read_bytes() for file in files]))
    called = answers[features.PREDICTED_LABEL].numpy() == features.PNEUMONIA.encode()
    metrics = scores["adults"]["metrics"]
    assert (scores["adults"]["films"], scores["adults"]["rejected"]) == (21, 0)
    assert metrics["auc"] == pytest.approx(roc_auc_score(labels, answers[features.PROBABILITY]))
    balanced = (metrics["recall"] + metrics["specificity"]) / 2
    assert balanced == pytest.approx(balanced_accuracy_score(labels, called))


@pytest.mark.slow  # a process of its own imports TFX
def test_films_that_cannot_be_scored_are_a_sentence(tmp_path: Path) -> None:
    model = Brightness()
    served = tmp_path / "model" / "Format-Serving"
    tf.saved_model.save(model, str(served), signatures={features.PREDICT_IMAGES: model.predict})
    write_films(tmp_path / "adults", features.NORMAL, 2)
    with pytest.raises(BenchmarkError, match=r"external films cannot be scored: .*PNEUMONIA"):
        quality_runs.score_in_own_process(
            str(served.parent),
            {"adults": tmp_path / "adults"},
            IngestOptions(),
            tmp_path / "log.txt",
        )


# The command.


def test_the_command_prints_its_tables_and_writes_them(
    films: Films, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--data-root", str(films.data_root), "--seeds", "2", "--workdir", "bench"]
    flags += ["--ablations", "--ablation-seeds", "1", "--ablation-epochs", "4"]
    flags += ["--only", "contrast clahe", "weight decay 0", "--out", "table.md"]
    assert model_quality.main(flags) == 0
    printed = capsys.readouterr()
    assert Path("table.md").read_text(encoding="utf-8") == printed.out
    assert cells(printed.out, TEST, "AUC")[0] == "0.9050"
    assert "standard, seed" not in printed.out
    row = cells(printed.out, "contrast clahe", "`preprocessing.contrast=clahe`")
    assert row[0] == "+0.0100"
    assert "Ablations at 4 epochs, seeds 0" in printed.out
    assert printed.out.endswith("Left out: weight decay 0 (the standard has it).\n")
    assert "seed 2 of 2, variant standard: AUC 0.910 in" in printed.err
    settings = [(call.get("train.epochs"), call["train.seed"]) for call in calls()]
    assert settings == [(None, "0"), (None, "1"), ("4", "0"), ("4", "0")]


def test_ablations_use_the_runs_of_the_standard(films: Films) -> None:
    flags = ["--data-root", str(films.data_root), "--seeds", "2", "--workdir", "bench"]
    assert model_quality.main([*flags, "--ablations", "--only", "contrast clahe"]) == 0
    contrast = [call.get("preprocessing.contrast") for call in calls()]
    assert contrast == [None, None, "clahe", "clahe"]


def test_a_row_that_the_pipeline_refuses_is_left_out(
    films: Films, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--data-root", str(films.data_root), "--seeds", "1", "--workdir", "bench"]
    flags += ["--set", "preprocessing.image_size_px=256", "--set", "network.depth=7"]
    rows = ["resolution 160", "without noise"]
    assert model_quality.main([*flags, "--ablations", "--only", *rows]) == 0
    told = capsys.readouterr().out
    assert "Left out: resolution 160 (network.depth 7 needs preprocessing.image_size_px of" in told
    assert cells(told, "without noise", "`augmentation.noise_stddev=0.0`")


@pytest.mark.slow  # imports TFX
def test_a_site_without_both_classes_is_refused_before_a_training(
    films: Films, capsys: pytest.CaptureFixture[str]
) -> None:
    write_films(Path("adults"), features.NORMAL, 2)
    flags = ["--data-root", str(films.data_root), "--external-data-root", "adults"]
    assert model_quality.main([*flags, "--workdir", "bench"]) == 1
    assert "adults: the class folder PNEUMONIA is missing" in capsys.readouterr().err
    assert not Path("calls.txt").exists()


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--external-data-root", "nowhere"], "nowhere is not a folder"),
        (["--external-data-root", "films", "--external-data-root", "films"], "rename one"),
        (["--external-data-root", "films"], "films is the data root films"),
        (["--external-data-root", "."], "contains the data root films"),
        (["--out", "nowhere/table.md"], "there is no folder nowhere"),
        (["--ablations", "--only", "contrst"], "there is no ablation 'contrst'; there are: "),
        (["--only", "contrast none"], "add --ablations"),
        (["--workdir", "films/work"], "lies inside films"),
        (["--set", "train.epochs=none"], "train.epochs"),
    ],
)
def test_wrong_flags_are_answered_before_anything_is_written(
    films: Films, flags: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert model_quality.main(["--data-root", "films", *flags]) == 2
    assert sentence in capsys.readouterr().err
    assert not Path("work").exists() and not Path("films/work").exists()


def test_a_failure_ends_the_command(films: Films, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--data-root", "films", "--workdir", "bench", "--set", "train.batch_size=7"]
    assert model_quality.main(flags) == 1
    said = capsys.readouterr().err
    assert "model_quality: the run of variant standard with seed 0 ended with exit" in said


def test_a_variant_refuses_a_bad_setting() -> None:
    with pytest.raises(ConfigError, match="contrast"):
        STANDARD.changed("bad", {"preprocessing.contrast": "more"}).config(seed=0)


def test_a_run_that_does_not_stop_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quality_runs, "_STOP_SECONDS", 0.2)
    deaf = (
        "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print(os.getpid(), flush=True); os.kill(os.getppid(), signal.SIGINT); time.sleep(60)"
    )
    log = tmp_path / "log.txt"
    # A shell starts what runs in its background with the signal ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            quality_runs.run_logged([sys.executable, "-c", deaf], log)
    finally:
        signal.signal(signal.SIGINT, before)
    with pytest.raises(ProcessLookupError):
        os.kill(int(log.read_text(encoding="utf-8")), 0)
