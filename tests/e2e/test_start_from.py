"""A run that starts from a pushed model, on phantoms of other patients."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from models import features
from models.served_facts import FACTS_FILE, read_facts
from radiographs.phantoms import write_phantoms
from tests.conftest import SMALL
from tests.support import LocalRun, run_local, settings

FILMS, SIZE_PX = 80, 96


@pytest.fixture(scope="module", name="site")
def draw_another_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("site")
    write_phantoms(root, films=FILMS, size_px=SIZE_PX, seed=7)
    return root


QUICK = (
    *SMALL,
    *settings(
        tuner__enabled="false",
        evaluation__shift_audit="false",
        evaluation__swap_audit="false",
        evaluation__shortcut_audit="false",
    ),
)


@pytest.fixture(scope="module", name="adapted")
def recalibrate(pushed: LocalRun, site: Path, tmp_path_factory: pytest.TempPathFactory) -> LocalRun:
    """Only calibration and operating point are fitted on the films of the site."""
    return run_local(
        tmp_path_factory.mktemp("adapted") / "work", *QUICK, "--data-root", str(site),
        "--start-from", str(pushed.work.path), *settings(network__learns="nothing"),
    )  # fmt: skip


def test_ends_pushed_by_the_gates(adapted: LocalRun) -> None:
    assert adapted.status == 0, adapted.terminal
    assert adapted.summary["blessed"] and adapted.summary["gates"]


def test_takes_preparation_network_and_weights(pushed: LocalRun, adapted: LocalRun) -> None:
    before, after = (read_facts(str(run.model)) for run in (pushed, adapted))
    assert after.settings.preprocessing == before.settings.preprocessing
    start = Path(after.settings.network.weights)
    assert start.parent == pushed.model.parent  # the newest there: another test may have pushed
    served = [tf.saved_model.load(str(model)) for model in (start, adapted.model)]
    names = [set(one.network_weights) for one in served]
    assert names[0] == names[1]
    for name in names[0]:
        for one, other in zip(*(model.network_weights[name] for model in served), strict=True):
            assert np.array_equal(one.numpy(), other.numpy())


def test_is_calibrated_on_all_films_that_are_new_to_the_weights(
    pushed: LocalRun, adapted: LocalRun
) -> None:
    before, after = (read_facts(str(run.model)).calibration for run in (pushed, adapted))
    assert (after.intercept, after.slope_above) != (before.intercept, before.slope_above)
    examples = adapted.uri("RadiographExampleGen", "examples")
    labels = [
        record["label"].bytes_list.value[0]
        for split in (features.TRAIN, features.EVAL)
        for file in (examples / f"Split-{split}").iterdir()
        for serialised in tf.data.TFRecordDataset(str(file), "GZIP").as_numpy_iterator()
        for record in [tf.train.Example.FromString(serialised).features.feature]
    ]
    share = np.mean([label == b"PNEUMONIA" for label in labels])
    assert after.prevalence == pytest.approx(share, abs=0.5 / len(labels))


def test_a_gate_refuses_as_ever(pushed: LocalRun, adapted: LocalRun, site: Path) -> None:
    refused = run_local(
        adapted.work.path, *QUICK, "--data-root", str(site), "--start-from", str(pushed.model),
        *settings(network__learns="nothing", evaluation__min_auc=1),
    )  # fmt: skip
    assert refused.status == 4
    assert refused.serving == adapted.serving


@pytest.mark.parametrize(("name", "value"), [
    ("preprocessing.image_size_px", "128"), ("preprocessing.border_crop", "0.1"),
    ("preprocessing.contrast", "none"),
])  # fmt: skip
def test_other_preparation_is_refused(
    pushed: LocalRun, site: Path, workdir: Path, name: str, value: str
) -> None:
    run = run_local(
        workdir, "--preset", "demo", "--data-root", str(site),
        "--start-from", str(pushed.model), "--set", f"{name}={value}",
    )  # fmt: skip
    assert run.status == 2
    learned = json.loads((pushed.model / FACTS_FILE).read_text())["hyperparameters"]
    wanted = learned["preprocessing"][name.partition(".")[2]]
    assert (
        f"prepared otherwise than the settings say; start from it with {name}={wanted}" in run.text
    )


def test_what_is_no_model_is_refused(site: Path, workdir: Path) -> None:
    run = run_local(workdir, "--data-root", str(site), "--start-from", str(site))
    assert run.status == 2
    assert "holds no pushed model" in run.text
