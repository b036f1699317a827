"""TensorBoard itself over the artifacts of a run, as `make tensorboard` starts it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import cv2
import numpy as np
import pytest

from components.explanation_gen.index import read_index
from models import features
from tests.support import ROOT, LocalRun, auc_bounds, predictions_of

Ask = Callable[..., Any]
CLOUD = "test films"


@pytest.fixture(scope="module", name="ask")
def serve(pushed: LocalRun) -> Iterator[Ask]:
    """Asks a TensorBoard over the folder that the Makefile names."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (folder,) = re.findall(r"bin/tensorboard --logdir work/(\S+)", makefile)
    logs = ["--logdir", str(pushed.work.path / folder), "--port", "0"]
    # All is read, and only then served.
    once = ["--load_fast=false", "--reload_task=blocking", "--reload_interval=0"]
    command = [sys.executable, "-m", "tensorboard.main", *logs, *once]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as board:
        assert board.stderr is not None
        addresses = (re.search(r"http://\S+", line) for line in board.stderr)
        address = next(filter(None, addresses))[0]

        def ask(route: str, **query: str) -> bytes:
            with urlopen(f"{address}data/{route}?{urlencode(query)}") as answer:
                return answer.read()

        yield ask
        board.terminate()


def uri_of(pushed: LocalRun, component: str, output: str) -> str:
    return str(pushed.uri(component, output).relative_to(pushed.work.path / "artifacts"))


def test_every_run_is_found(pushed: LocalRun, ask: Ask) -> None:
    trained = f"{uri_of(pushed, 'Trainer', 'model_run')}/tensorboard"
    explained = f"{uri_of(pushed, 'ExplanationGen', 'explanations')}/tensorboard"
    runs = set(json.loads(ask("runs")))
    assert {f"{trained}/train", f"{trained}/validation", f"{trained}/films", explained} <= runs
    curves = json.loads(ask("plugin/pr_curves/tags"))
    assert set(curves[f"{trained}/films"]) == {"eval/precision-recall/pr_curves"}
    assert set(curves[explained]) == {"test/precision-recall/pr_curves"}
    images = json.loads(ask("plugin/images/tags"))
    assert set(images[f"{trained}/films"]) == {"films/as they are and augmented", "eval/ROC"}
    scalars = json.loads(ask("plugin/scalars/tags"))
    assert "epoch_learning_rate" in scalars[f"{trained}/train"]
    points = json.loads(ask("plugin/scalars/scalars", run=explained, tag="test/AUC"))
    films = predictions_of(pushed)
    low, high = auc_bounds(films["label"] == features.PNEUMONIA, films["probability"])
    assert low <= points[0][2] <= high


def test_the_projector_shows_the_test_films(pushed: LocalRun, ask: Ask) -> None:
    run = f"{uri_of(pushed, 'ExplanationGen', 'explanations')}/tensorboard"
    assert run in json.loads(ask("plugin/projector/runs"))
    (cloud,) = json.loads(ask("plugin/projector/info", run=run))["embeddings"]
    films = read_index(str(pushed.uri("ExplanationGen", "explanations")))
    rows, columns = cloud["tensorShape"]
    assert (cloud["tensorName"], rows) == (CLOUD, len(films))
    vectors = np.frombuffer(ask("plugin/projector/tensor", run=run, name=CLOUD), np.float32)
    assert vectors.size == rows * columns and np.isfinite(vectors).all()
    words = ask("plugin/projector/metadata", run=run, name=CLOUD).decode().splitlines()
    assert len(words) == rows + 1
    digests = words[0].split("\t").index("sha256")
    assert {row.split("\t")[digests] for row in words[1:]} == {film.sha256[:16] for film in films}
    sprite = ask("plugin/projector/sprite_image", run=run, name=CLOUD)
    picture = cv2.imdecode(np.frombuffer(sprite, np.uint8), cv2.IMREAD_GRAYSCALE)
    side_px = cloud["sprite"]["singleImageDim"][0]
    assert picture.shape[0] == picture.shape[1] == side_px * np.ceil(np.sqrt(rows))
