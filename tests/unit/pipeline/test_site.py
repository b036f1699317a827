"""A pushed model at another prevalence: what it answers, what it records, what is refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit

from models import features
from models.calibration import Calibration, OperatingPoint
from models.recalibration import write_recalibrated
from models.served_facts import FACTS_FILE, read_facts
from models.warmup import WARMUP_FILE
from pipeline import prior_shift, site
from tests.support import LocalRun, digests, read_examples

Answers = dict[str, np.ndarray]


@pytest.fixture(scope="module", name="examples")
def read_test_examples(pushed: LocalRun) -> list[bytes]:
    return read_examples(pushed.uri("RadiographExampleGen", "examples"), features.TEST)


def image_of(example: bytes) -> bytes:
    parsed = tf.train.Example.FromString(example)
    return parsed.features.feature[features.IMAGE].bytes_list.value[0]


def ask(served: Any, signature: str, examples: list[bytes]) -> Answers:
    whole = signature == features.SERVING_DEFAULT
    batch = examples if whole else [image_of(example) for example in examples]
    name = features.EXAMPLES if whole else features.IMAGE_BYTES
    answer = served.signatures[signature](**{name: tf.constant(batch)})
    return {key: value.numpy() for key, value in answer.items()}


def write_films(examples: list[bytes], folder: Path) -> None:
    folder.mkdir(parents=True)
    for number, example in enumerate(examples):
        (folder / f"case{number:03}.png").write_bytes(image_of(example))


def most_likely_share(probabilities: np.ndarray, assumed: float) -> float:
    """The share under which films are most likely, by a search instead of by steps."""

    def unlikeliness(share: float) -> float:
        ill, well = probabilities / assumed, (1 - probabilities) / (1 - assumed)
        return -float(np.log(share * ill + (1 - share) * well).sum())

    return float(minimize_scalar(unlikeliness, bounds=(1e-6, 1 - 1e-6), method="bounded").x)


def measure_distances(monkeypatch: pytest.MonkeyPatch, distances: np.ndarray) -> None:
    """Has the model measure these in place of its own, film by film."""
    asked = prior_shift.score_images

    def score_images(served: Any, images: Any) -> Any:
        return asked(served, images).assign(out_of_distribution=distances)

    monkeypatch.setattr(prior_shift, "score_images", score_images)


def prior(*arguments: str | Path) -> int:
    return site.main(["prior", *map(str, arguments)])


@pytest.fixture(scope="module", name="base")
def make_sure_of_itself(
    pushed: LocalRun, served: Any, examples: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The pushed model, hardly trained, with a calibration that spreads the test films.

    Half of them are called, and their probabilities tell of a prevalence.
    """
    facts = read_facts(str(pushed.model))
    logits = logit(ask(served, features.PREDICT_IMAGES, examples)["probability"].astype(float))
    factor, middle = 3 / logits.std(), np.median(logits)
    below, above, intercept = facts.calibration.weights
    calibration = Calibration(
        factor * below, factor * above, factor * (intercept - middle), prevalence=0.6
    )
    folder = tmp_path_factory.mktemp("base") / "7"
    point = OperatingPoint(0.5, 0.9, 0.8, 0.95)
    write_recalibrated(str(pushed.model), calibration, point, {}, str(folder))
    return folder


@pytest.fixture(scope="module", name="before")
def load_base(base: Path) -> Any:
    return tf.saved_model.load(str(base))


@pytest.fixture(scope="module", name="moved")
def move_to_a_tenth(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That model at a stated prevalence of a tenth."""
    versions = tmp_path_factory.mktemp("moved") / "versions"
    files = digests(base)
    assert prior(base.parent, "--prevalence", "0.1", "--to", versions) == 0
    assert digests(base) == files
    (version,) = versions.iterdir()
    return version


@pytest.fixture(scope="module", name="after")
def load_moved(moved: Path) -> Any:
    return tf.saved_model.load(str(moved))


class TestAnswers:
    def test_every_signature_answers_by_bayes(
        self, before: Any, after: Any, base: Path, examples: list[bytes]
    ) -> None:
        assumed = read_facts(str(base)).calibration.prevalence
        assert assumed is not None
        shift = logit(0.1) - logit(assumed)
        for signature in (
            features.PREDICT_IMAGES, features.SERVING_DEFAULT, features.EXPLAIN_IMAGES,
        ):  # fmt: skip
            here, there = (
                ask(one, signature, examples)["probability"].astype(float)
                for one in (before, after)
            )
            np.testing.assert_allclose(logit(there), logit(here) + shift, atol=1e-4)

    def test_labels_hold_and_go_with_the_probability(
        self, before: Any, after: Any, moved: Path, examples: list[bytes]
    ) -> None:
        here, there = (ask(one, features.PREDICT_IMAGES, examples) for one in (before, after))
        assert set(here["label"]) == {b"NORMAL", b"PNEUMONIA"}
        assert np.array_equal(here["label"], there["label"])
        threshold = read_facts(str(moved)).operating_point.threshold
        assert np.array_equal(there["label"] == b"PNEUMONIA", there["probability"] >= threshold)
        np.testing.assert_allclose(there["class_probabilities"][:, 1], there["probability"])

    def test_heatmap_and_prepared_films_are_as_they_were(
        self, before: Any, after: Any, examples: list[bytes]
    ) -> None:
        here, there = (ask(one, features.EXPLAIN_IMAGES, examples[:4]) for one in (before, after))
        for name in (features.HEATMAP, features.OVERLAY_BYTES):
            assert np.array_equal(here[name], there[name])

    def test_a_point_of_costs_stays_and_is_no_longer_measured(
        self, pushed: LocalRun, tmp_path: Path
    ) -> None:
        by_cost = OperatingPoint(0.2, 0.9, 0.8, 0.95, cost_ratio=4)
        facts = read_facts(str(pushed.model))
        write_recalibrated(
            str(pushed.model), facts.calibration, by_cost, {}, str(tmp_path / "costs" / "1")
        )
        assert prior(tmp_path / "costs", "--prevalence", "0.3", "--to", tmp_path / "costs") == 0
        versions = sorted((tmp_path / "costs").iterdir(), key=lambda path: int(path.name))
        written = json.loads((versions[-1] / FACTS_FILE).read_text())
        assert written["operating_point"]["threshold"] == 0.2
        assert written["operating_point"]["sensitivity"] is None
        assert len(written["corrections"]) == 2
        served = tf.saved_model.load(str(versions[-1]))
        assert served.thresholds.numpy()[0] == np.float32(0.2)


class TestRecord:
    def test_says_what_was_done(self, pushed: LocalRun, base: Path, moved: Path) -> None:
        facts = read_facts(str(moved))
        first, correction = facts.content["corrections"]
        assert first == {}  # of the base
        assert correction["method"] == "stated"
        assert correction["model_version"] == base.name
        assert correction["prevalence"] == facts.calibration.prevalence == 0.1
        before = read_facts(str(base))
        assert correction["prevalence_before"] == before.calibration.prevalence
        assert correction["threshold"] == facts.operating_point.threshold
        assert facts.settings == before.settings
        assert (moved / WARMUP_FILE).read_bytes() == (pushed.model / WARMUP_FILE).read_bytes()

    def test_the_pushed_model_assumes_the_share_of_eval(self, pushed: LocalRun) -> None:
        films = read_examples(pushed.uri("RadiographExampleGen", "examples"), features.EVAL)
        labels = [
            tf.train.Example.FromString(film).features.feature[features.LABEL].bytes_list.value[0]
            for film in films
        ]
        share = np.mean([label == b"PNEUMONIA" for label in labels])
        facts = read_facts(str(pushed.model))
        # Platt's smoothing counts one film of each class more.
        assert facts.calibration.prevalence == pytest.approx(share, abs=1 / len(labels))


class TestFilms:
    def test_the_share_of_a_folder_is_found(
        self, before: Any, base: Path, examples: list[bytes], tmp_path: Path
    ) -> None:
        films = tmp_path / "films" / "deep"
        write_films(examples, films)
        (films / "notes.txt").write_text("no film")
        (films / "torn.png").write_bytes(image_of(examples[0])[:200])
        assert prior(base, "--films", tmp_path / "films", "--to", tmp_path / "to") == 0
        (version,) = (tmp_path / "to").iterdir()
        _, correction = read_facts(str(version)).content["corrections"]
        asked = ask(before, features.PREDICT_IMAGES, examples)
        known = asked["out_of_distribution"] <= 1
        assert (correction["films"], correction["left_out"]) == (known.sum(), 1)
        assert correction["out_of_distribution"] == (~known).sum()
        low, high = correction["interval"]
        assert low <= correction["prevalence"] <= high
        # Corrected for the share, the mean probability of these films is the share.
        answers = ask(tf.saved_model.load(str(version)), features.PREDICT_IMAGES, examples)
        corrected = answers["probability"][known].mean()
        assert corrected == pytest.approx(correction["prevalence"], abs=1e-4)
        uncorrected = asked["probability"][known].mean()
        assert uncorrected != pytest.approx(correction["prevalence"], abs=1e-3)

    def test_films_are_counted_by_the_calibration_of_all_alike(
        self, before: Any, base: Path, examples: list[bytes], tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        """Where the worst style decided what is served."""
        facts = read_facts(str(base))
        served = facts.calibration
        of_all = replace(served, intercept=served.intercept - 1, prevalence=0.45)
        fair = replace(served, fitted_to_all=of_all)
        point = facts.operating_point
        write_recalibrated(str(base), fair, point, {}, str(tmp_path / "fair" / "1"))
        measure_distances(monkeypatch, np.zeros(len(examples)))
        write_films(examples, tmp_path / "films")
        to = tmp_path / "to"
        assert prior(tmp_path / "fair", "--films", tmp_path / "films", "--to", to) == 0
        (version,) = to.iterdir()
        correction = read_facts(str(version)).content["corrections"][-1]
        answers = ask(before, features.PREDICT_IMAGES, examples)["probability"].astype(float)
        share = most_likely_share(expit(logit(answers) - 1), 0.45)
        assert correction["prevalence"] == pytest.approx(share, abs=1e-3)
        assert most_likely_share(answers, 0.6) != pytest.approx(share, abs=0.01)
        # Films are counted by it, and answered by what is served.
        after = ask(tf.saved_model.load(str(version)), features.PREDICT_IMAGES, examples)
        shift = logit(share) - logit(0.6)
        corrected = logit(after["probability"].astype(float))
        np.testing.assert_allclose(corrected, logit(answers) + shift, atol=0.01)
        assert read_facts(str(version)).calibration.fitted_to_all == of_all

    @pytest.mark.parametrize("is_more_than_a_fifth", [False, True])
    def test_films_out_of_distribution_do_not_count(
        self, is_more_than_a_fifth: bool, before: Any, base: Path, examples: list[bytes],
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        some = examples[: len(examples) // 5 * 5]
        write_films(some, tmp_path / "films")
        (tmp_path / "films" / "torn.png").write_bytes(image_of(some[0])[:200])
        answers = ask(before, features.PREDICT_IMAGES, some)["probability"].astype(float)
        unlike = np.argsort(answers)[-(len(some) // 5 + is_more_than_a_fifth) :]
        distances = np.ones(len(some))  # the threshold, and not beyond it
        distances[unlike] = 1.01
        measure_distances(monkeypatch, distances)
        to = tmp_path / "to"
        assert prior(base, "--films", tmp_path / "films", "--to", to) == 0
        (version,) = to.iterdir()
        _, correction = read_facts(str(version)).content["corrections"]
        counts = [correction[name] for name in ("films", "out_of_distribution", "left_out")]
        assert counts == [len(some) - len(unlike), len(unlike), 1]
        share = most_likely_share(np.delete(answers, unlike), 0.6)
        assert correction["prevalence"] == pytest.approx(share, abs=1e-3)
        assert most_likely_share(answers, 0.6) > share + 0.01
        said = capsys.readouterr()
        assert f"{len(unlike)} out of distribution, " in said.out
        warned = f"it marks {len(unlike)} of {len(some)} as out of distribution"
        assert (warned in said.err) == is_more_than_a_fifth
        assert ("does not know the films" in said.err) == is_more_than_a_fifth

    def test_a_site_that_is_not_known_is_said_before_anything_is_written(
        self, base: Path, examples: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        films, to = tmp_path / "films", tmp_path / "to"
        write_films(examples, films)
        measure_distances(monkeypatch, np.where(np.arange(len(examples)) % 3, 0.5, 2))
        told = []

        def note(sentence: str) -> None:
            told.append((sentence, to.exists()))

        corrected = prior_shift.correct_by_films(str(base), str(films), str(to), note)
        assert Path(corrected.folder).parent == to
        ((sentence, is_written),) = told
        assert f"does not know the films of {films}: it marks" in sentence and not is_written

    def test_a_model_that_measures_no_distance_counts_all(
        self, base: Path, examples: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_films(examples, tmp_path / "films")
        measure_distances(monkeypatch, np.full(len(examples), np.nan))
        found = prior_shift.look_at_films(str(base), read_facts(str(base)), str(tmp_path / "films"))
        assert (found.films, found.out_of_distribution) == (len(examples), 0)
        assert not found.is_unknown_site


class TestRefusals:
    @pytest.mark.parametrize("share", ["0", "1", "-0.1", "10", "nan", "inf"])
    def test_a_share_that_is_none(
        self, share: str, pushed: LocalRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert prior(pushed.model, f"--prevalence={share}", "--to", tmp_path / "to") == 2
        assert "cannot be corrected for; state a share of films" in capsys.readouterr().err
        assert not (tmp_path / "to").exists()

    def test_a_folder_without_films(
        self, pushed: LocalRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "films").mkdir()
        (tmp_path / "films" / "a.txt").write_text("no film")
        (tmp_path / "films" / "a.png").write_bytes(b"no film either")
        for films, word in (
            (tmp_path / "films", "no file that can be"),
            (tmp_path / "x", "no folder"),
        ):
            assert prior(pushed.model, "--films", films, "--to", tmp_path / "to") == 2
            assert word in capsys.readouterr().err
        assert not (tmp_path / "to").exists()

    def test_films_that_the_model_does_not_judge(
        self, pushed: LocalRun, examples: list[bytes], tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        (tmp_path / "a.png").write_bytes(image_of(examples[0]))

        def judge_none(served: Any, images: Any) -> Any:
            answers = score_images(served, images)
            return answers.assign(probability=np.nan)

        score_images = prior_shift.score_images
        monkeypatch.setattr(prior_shift, "score_images", judge_none)
        assert prior(pushed.model, "--films", tmp_path, "--to", tmp_path / "to") == 2
        assert "judges none of the 1 films" in capsys.readouterr().err

    def test_films_that_are_all_out_of_distribution(
        self, pushed: LocalRun, examples: list[bytes], tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        write_films(examples[:3], tmp_path / "films")
        measure_distances(monkeypatch, np.full(3, 1.01))
        assert prior(pushed.model, "--films", tmp_path / "films", "--to", tmp_path / "to") == 2
        told = capsys.readouterr().err
        assert f"marks all 3 films of {tmp_path / 'films'} that it judges as out of" in told
        assert "so they tell of no prevalence; check --films, or label some" in told
        assert not (tmp_path / "to").exists()

    def test_what_is_no_model(
        self, pushed: LocalRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert prior(tmp_path, "--prevalence", "0.1", "--to", tmp_path / "to") == 2
        assert "holds no pushed model" in capsys.readouterr().err
        older = tmp_path / "older" / "1"
        shutil.copytree(pushed.model, older)
        facts = json.loads((older / FACTS_FILE).read_text())
        del facts["calibration"]["prevalence"]
        (older / FACTS_FILE).write_text(json.dumps(facts))
        assert prior(older, "--prevalence", "0.1", "--to", tmp_path / "to") == 2
        assert "does not say which prevalence" in capsys.readouterr().err
        for name in ("calibration", "operating_point"):
            (older / FACTS_FILE).write_text(json.dumps({**facts, name: None}))
            assert prior(older, "--prevalence", "0.1", "--to", tmp_path / "to") == 2
            assert "no model pushed by this version" in capsys.readouterr().err
        del facts["hyperparameters"]
        (older / FACTS_FILE).write_text(json.dumps(facts))
        assert prior(older, "--prevalence", "0.1", "--to", tmp_path / "to") == 2
        assert "no model pushed by this version" in capsys.readouterr().err

    def test_a_place_that_cannot_hold_versions(
        self, pushed: LocalRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert prior(pushed.model, "--prevalence", "0.1", "--to", pushed.model) == 2
        assert "is a model itself" in capsys.readouterr().err
        (tmp_path / "file").write_text("")
        assert prior(pushed.model, "--prevalence", "0.1", "--to", tmp_path / "file") == 2
        assert "cannot be written" in capsys.readouterr().err
