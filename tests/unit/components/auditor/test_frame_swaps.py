"""Lungs in frames of others: what is pasted where, and models of which the result is known."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from components.auditor.chests import (
    Chest,
    find_chests,
    frame_alone,
    lungs_alone,
    with_lungs_of,
)
from components.auditor.findings import (
    EITHER_FRAME,
    FRAME_ALONE,
    LUNGS_ALONE,
    OTHER_FRAME,
    OWN_FRAME,
    PICTURED,
    SAME_FRAME,
    FrameSwaps,
)
from components.auditor.frame_swaps import CELL_PX, audit_frame_swaps, montage, swapped_films
from models import features
from radiographs.options import IngestOptions
from radiographs.phantoms import draw_phantom
from tests.support import encode

SIDE_PX = 128
PER_CLASS = 12
LABELS = [features.NORMAL, features.PNEUMONIA] * PER_CLASS
# Rows and columns of the lungs, left and right, of two ways to stand before a detector.
WIDE = ((24, 100, 16, 56), (24, 100, 72, 112))
NARROW = ((40, 90, 36, 60), (34, 96, 68, 96))


def chest(lung: float, frame: float, boxes: Any = WIDE) -> Chest:
    """A film of one grey in its lungs and another around them."""
    fields = np.zeros((SIDE_PX, SIDE_PX, 2), np.float32)
    for side, (top, bottom, left, right) in enumerate(boxes):
        fields[top:bottom, left:right, side] = 1
    pixels = np.where(fields.max(axis=-1) > 0, lung, frame)
    return Chest(pixels.astype(np.uint8), fields)


def core(boxes: Any, side: int) -> tuple[slice, slice]:
    """The inside of a lung, without its rim."""
    top, bottom, left, right = boxes[side]
    return slice(top + 2, bottom - 2), slice(left + 2, right - 2)


class TestPasting:
    def test_a_film_in_its_own_frame_is_what_it_was(self) -> None:
        film = np.random.default_rng(0).integers(0, 256, (SIDE_PX, SIDE_PX), dtype=np.uint8)
        own = Chest(film, chest(0, 0, NARROW).fields)
        np.testing.assert_array_equal(with_lungs_of(own, own), film)

    def test_lungs_fill_the_place_of_lungs_and_nothing_else_changes(self) -> None:
        pasted = with_lungs_of(chest(255, 50, NARROW), chest(120, 220, WIDE))
        for side in (0, 1):
            np.testing.assert_array_equal(pasted[core(NARROW, side)], 120)
        edge = np.ones_like(pasted, bool)
        edge[8:-8, 8:-8] = False
        np.testing.assert_array_equal(pasted[edge], 50)
        assert pasted.max() <= 220  # nothing of the frame's own lungs is left

    def test_each_lung_is_scaled_to_its_own_side(self) -> None:
        lungs = chest(0, 0, WIDE)
        top, bottom, left, right = WIDE[0]
        lungs.pixels[top:bottom, left:right] = np.linspace(0, 200, bottom - top)[:, np.newaxis]
        top, bottom, left, right = WIDE[1]
        lungs.pixels[top:bottom, left:right] = 90
        pasted = with_lungs_of(chest(255, 255, NARROW), lungs)
        top, bottom, left, right = NARROW[0]
        column = pasted[top + 3 : bottom - 3, (left + right) // 2].astype(float)
        expected = np.linspace(0, 200, bottom - top)[3:-3]
        np.testing.assert_allclose(column, expected, atol=4)
        np.testing.assert_array_equal(pasted[core(NARROW, 1)], 90)

    def test_lungs_that_reach_the_edge_of_their_film_end_there(self) -> None:
        at_the_edge = ((0, 128, 0, 56), (0, 128, 72, 128))
        pasted = with_lungs_of(chest(90, 90, NARROW), chest(200, 200, at_the_edge))
        for top, bottom, left, right in NARROW:
            assert (pasted[top:bottom, left:right] >= 190).all()
        # Beyond a rim of 3 % and its blur it is the frame, and darker than both it is nowhere.
        far = np.ones_like(pasted, bool)
        for top, bottom, left, right in NARROW:
            far[top - 12 : bottom + 12, left - 12 : right + 12] = False
        assert far.mean() > 0.2
        assert (pasted[far] == 90).all()
        assert pasted.min() == 90

    def test_rows_are_treated_as_columns_are(self) -> None:
        """Films that are turned over their diagonal are pasted as they were, turned over."""
        draw = np.random.default_rng(0)
        coarse = draw.integers(0, 256, (2, 8, 8), dtype=np.uint8)
        films = [
            Chest(cv2.resize(levels, (SIDE_PX, SIDE_PX)), chest(0, 0, at).fields)
            for levels, at in zip(coarse, (NARROW, WIDE), strict=True)
        ]
        turned = [Chest(one.pixels.T.copy(), one.fields.swapaxes(0, 1).copy()) for one in films]
        pasted, of_turned = with_lungs_of(*films).astype(int), with_lungs_of(*turned).astype(int)
        assert np.abs(of_turned.T - pasted).max() <= 6


class TestAlone:
    def test_lungs_keep_every_level_but_those_at_their_edge(self) -> None:
        draw = np.random.default_rng(0)
        film = Chest(draw.integers(0, 256, (SIDE_PX, SIDE_PX), dtype=np.uint8), chest(0, 0).fields)
        alone = lungs_alone(film)
        for top, bottom, left, right in WIDE:  # 1 % of the side, and a blur of twice that
            inside = slice(top + 4, bottom - 4), slice(left + 4, right - 4)
            np.testing.assert_array_equal(alone[inside], film.pixels[inside])

    def test_lungs_keep_their_levels_in_grey_of_their_own_mean(self) -> None:
        alone = lungs_alone(chest(120, 30))
        assert (np.abs(alone.astype(int) - 120) <= 5).all()  # a little frame shows at the rim
        assert (alone[core(WIDE, 0)] == 120).mean() > 0.6

    def test_frames_keep_theirs_and_hide_the_lungs(self) -> None:
        alone = frame_alone(chest(120, 30))
        assert (np.abs(alone.astype(int) - 30) <= 5).all()
        assert (alone[:12] == 30).all()


class RegionModel(tf.Module):
    """Answers with the mean grey level of a part of the film as probability of pneumonia."""

    def __init__(self, rows: slice, columns: slice):
        super().__init__()
        self._part = rows, columns

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "image_bytes")])
    def predict_images(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        probability = tf.map_fn(self._mean, image_bytes, fn_output_signature=tf.float32)
        return {
            "probability": probability,
            "label": tf.where(probability >= 0.5, "PNEUMONIA", "NORMAL"),
            "class_probabilities": tf.stack([1 - probability, probability], axis=-1),
            "quality": tf.fill(tf.shape(image_bytes), "ok"),
        }

    def _mean(self, encoded: tf.Tensor) -> tf.Tensor:
        image = tf.io.decode_png(encoded, channels=1)[..., 0]
        return tf.reduce_mean(tf.cast(image[self._part], tf.float32)) / 255


def films() -> tuple[list[Chest | None], pd.DataFrame]:
    """Bright lungs in bright frames are pneumonia, dark ones in dark frames are not."""
    draw = np.random.default_rng(3)
    chests: list[Chest | None] = []
    for label in LABELS:
        low = 150 if label == features.PNEUMONIA else 40
        chests.append(chest(low + draw.integers(60), low + draw.integers(60)))
    patients = [f"p{number // 2}" for number in range(len(LABELS))]
    return chests, pd.DataFrame({features.PATIENT_ID: patients, features.LABEL: LABELS})


def audit(rows: slice, columns: slice) -> FrameSwaps:
    model = RegionModel(rows, columns)
    served = type("Served", (), {"signatures": {"predict_images": model.predict_images}})
    chests, known = films()
    found = audit_frame_swaps(served, known, chests, samples=100)
    assert found is not None
    return found


def aucs(found: FrameSwaps) -> dict[str, float]:
    return {name: one.metrics["auc"] for name, one in found.rows.items()}


class TestAudit:
    def test_a_model_of_lungs_does_not_care_about_frames(self) -> None:
        reached = aucs(audit(*core(WIDE, 0)))
        assert reached[OWN_FRAME] == reached[SAME_FRAME] == reached[OTHER_FRAME] == 1
        assert reached[LUNGS_ALONE] == 1
        # Where the lungs were is the grey of the frame, which goes with the class.
        assert reached[FRAME_ALONE] == 1

    def test_a_model_of_frames_is_turned_round(self) -> None:
        reached = aucs(audit(slice(0, 12), slice(0, SIDE_PX)))
        assert reached[OWN_FRAME] == reached[SAME_FRAME] == reached[FRAME_ALONE] == 1
        assert reached[OTHER_FRAME] == 0

    def test_where_no_frame_tells_the_class_a_model_of_frames_is_at_chance(self) -> None:
        of_frames, of_lungs = audit(slice(0, 12), slice(0, SIDE_PX)), audit(*core(WIDE, 0))
        assert aucs(of_frames)[EITHER_FRAME] == pytest.approx(0.5, abs=0.1)
        assert aucs(of_lungs)[EITHER_FRAME] == 1

    def test_controls_are_compared_on_the_same_films_in_the_same_order(self) -> None:
        class Controls:
            """One reads a lung as the model does, one the frame, one knows nothing."""

            def score(self, examples: Iterable[tf.train.Example]) -> dict[str, np.ndarray]:
                images = [one.features.feature["image"].bytes_list.value[0] for one in examples]
                films = [cv2.imdecode(np.frombuffer(one, np.uint8), 0) for one in images]
                return {
                    "lung": np.array([film[core(WIDE, 0)].mean() for film in films]),
                    "frame": np.array([film[:12].mean() for film in films]),
                    "nothing": np.zeros(len(films)),
                }

        chests, known = films()
        model = RegionModel(*core(WIDE, 0))
        served = type("Served", (), {"signatures": {"predict_images": model.predict_images}})
        controls: Any = Controls()
        found = audit_frame_swaps(served, known, chests, 100, controls)
        assert found is not None
        margins = {one.name: one.margin for one in found.controls}
        assert margins == {
            "lung": pytest.approx(0),
            "frame": pytest.approx(0.5, abs=0.1),
            "nothing": pytest.approx(0.5),
        }

    def test_what_is_known_of_a_film_stays_with_its_lungs(self) -> None:
        chests, known = films()
        model = RegionModel(*core(WIDE, 0))
        served = type("Served", (), {"signatures": {"predict_images": model.predict_images}})
        ill = (known[features.LABEL] == features.PNEUMONIA).to_numpy()
        # Films without lungs would turn every score round, were they still among the others.
        some = [None if place < 3 else one for place, one in enumerate(chests)]
        blind = {"truth": np.where(np.arange(len(ill)) < 3, 9.0, ill), "other": 1.0 - ill}
        found = audit_frame_swaps(served, known, some, 100, None, blind)
        assert found is not None
        assert {one.name: one.auc for one in found.controls} == {"truth": 1, "other": 0}

    def test_films_without_lungs_are_left_out_and_counted(self) -> None:
        chests, known = films()
        model = RegionModel(*core(WIDE, 0))
        served = type("Served", (), {"signatures": {"predict_images": model.predict_images}})
        some = [None if place in (0, 5) else one for place, one in enumerate(chests)]
        found = audit_frame_swaps(served, known, some, samples=100)
        assert found is not None
        assert (found.left_out, found.films) == (2, len(LABELS) - 2)
        counts = {name: one.films for name, one in found.rows.items()}
        assert counts.pop(EITHER_FRAME) == 2 * (len(LABELS) - 2)
        assert set(counts.values()) == {len(LABELS) - 2}
        normal = [one if number % 2 == 0 else None for number, one in enumerate(chests)]
        assert audit_frame_swaps(served, known, normal, samples=100) is None

    def test_films_that_the_model_does_not_judge_leave_nothing_defined(self) -> None:
        class Mute(RegionModel):
            @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "image_bytes")])
            def predict_images(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
                count = tf.shape(image_bytes)
                return {
                    "probability": tf.fill(count, float("nan")),
                    "label": tf.fill(count, ""),
                    "class_probabilities": tf.fill([count[0], 2], float("nan")),
                    "quality": tf.fill(count, "no lungs found"),
                }

        chests, known = films()
        model = Mute(*core(WIDE, 0))
        served = type("Served", (), {"signatures": {"predict_images": model.predict_images}})
        found = audit_frame_swaps(served, known, chests, samples=100)
        assert found is not None
        assert found.films == len(LABELS)
        assert {one.films for one in found.rows.values()} == {0}
        assert np.isnan([one.metrics["auc"] for one in found.rows.values()]).all()

    def test_frames_are_of_the_class_that_is_said_and_of_another_patient(self) -> None:
        known = pd.DataFrame(
            {
                features.PATIENT_ID: [f"p{number // 4}" for number in range(24)],
                features.LABEL: LABELS,
            }
        )
        # The grey of a frame tells which film it is of.
        chests = [chest(255, 10 * place) for place in range(24)]
        for kind, same in ((SAME_FRAME, True), (OTHER_FRAME, False)):
            picture = swapped_films(chests, known)[kind]
            drawn = [int(picture(place)[0, 0]) // 10 for place in range(24)]
            assert all((LABELS[a] == LABELS[b]) == same for a, b in enumerate(drawn))
            assert all(a // 4 != b // 4 for a, b in enumerate(drawn))
            assert len(set(drawn)) > 6

    def test_the_montage_names_every_kind_of_film(self) -> None:
        chests, known = films()
        found = [one for one in chests if one is not None]
        assert list(PICTURED) == list(swapped_films(found, known))

    def test_the_montage_shows_each_kind(self) -> None:
        chests, known = films()
        shown = montage([one for one in chests if one is not None], known)
        above, beside = shown.shape[0] - 6 * CELL_PX, shown.shape[1] - 5 * CELL_PX
        assert 0 < above < CELL_PX and 0 < beside < CELL_PX
        titles = np.vsplit(shown[above:, :beside], 6)  # NORMAL three times, then PNEUMONIA
        for title, same in zip(titles, [titles[0]] * 3 + [titles[3]] * 3, strict=True):
            np.testing.assert_array_equal(title, same)
        assert not np.array_equal(titles[0], titles[3])
        assert all(title.any() for title in np.hsplit(shown[:above, beside:], 5))
        shown = shown[above:, beside:]
        corners = shown[4::CELL_PX, 4::CELL_PX].astype(int)
        own, _, other, _, alone = corners.T
        np.testing.assert_array_equal(own, alone)
        assert (own[:3] < 100).all() and (other[:3] > 149).all()
        assert (own[3:] > 149).all() and (other[3:] < 100).all()


@pytest.mark.parametrize("boxes", [WIDE, NARROW])
def test_the_seam_lies_outside_the_lungs(boxes: Any) -> None:
    pasted = with_lungs_of(chest(0, 0, boxes), chest(255, 255, boxes)).astype(int)
    for top, bottom, left, right in boxes:
        assert (pasted[top:bottom, left:right] >= 0.95 * 255).all()
    assert (pasted[:, 0] == 0).all() and (pasted[0] == 0).all()


def test_lungs_are_found_where_phantoms_have_them_and_nowhere_else() -> None:
    phantom = draw_phantom(5, 192)
    noise = np.random.default_rng(1).integers(0, 256, (192, 192), dtype=np.uint8)
    images = [encode(phantom.pixels), encode(noise)]
    found, nothing = find_chests(images, SIDE_PX, "shipped", IngestOptions())
    assert nothing is None
    assert found is not None
    expected = cv2.resize(phantom.lung_mask.astype(np.uint8), (SIDE_PX, SIDE_PX)) > 0
    inside = found.fields.max(axis=-1) > 0.5
    assert 2 * (inside & expected).sum() / (inside.sum() + expected.sum()) > 0.8
    shrunk = cv2.resize(phantom.pixels, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    assert np.abs(found.pixels.astype(int) - shrunk).mean() < 2


class TestPhantoms:
    """Drawn radiographs, whose lungs the network finds as it does in a run."""

    CORNER = (slice(2, 12), slice(2, 12))
    OF_EVERY_LEFT_LUNG = (slice(60, 80), slice(44, 54))

    @pytest.fixture(scope="class", name="chests")
    def find(self) -> list[Chest | None]:
        """Of the ill, lungs are denser and a corner bears a marker."""
        images = []
        for seed, label in enumerate(LABELS):
            phantom = draw_phantom(seed, 160)
            levels = phantom.pixels.astype(int)
            if label == features.PNEUMONIA:
                levels[cv2.erode(phantom.lung_mask.astype(np.uint8), np.ones((3, 3))) > 0] += 40
            levels[:16, :16] = 255 * (label == features.PNEUMONIA)
            images.append(encode(levels.clip(0, 255).astype(np.uint8)))
        return list(find_chests(images, 160, "shipped", IngestOptions()))

    @pytest.fixture(scope="class", name="reached_by")
    def reach(self, chests: list[Chest | None]) -> dict[str, dict[str, float]]:
        patients = [f"p{number}" for number in range(len(LABELS))]
        known = pd.DataFrame({features.PATIENT_ID: patients, features.LABEL: LABELS})
        found = {}
        for name in ("CORNER", "OF_EVERY_LEFT_LUNG"):
            model = RegionModel(*getattr(self, name))
            served = type("Served", (), {"signatures": {"predict_images": model.predict_images}})
            swaps = audit_frame_swaps(served, known, chests, samples=100)
            assert swaps is not None and swaps.left_out == 0
            found[name] = aucs(swaps)
        return found

    def test_the_regions_are_what_they_are_called(self, chests: list[Chest | None]) -> None:
        inside = [one.fields.max(axis=-1) > 0.5 for one in chests if one is not None]
        assert not any(film[self.CORNER].any() for film in inside)
        assert all(film[self.OF_EVERY_LEFT_LUNG].all() for film in inside)

    def test_a_model_that_reads_the_frame_alone_is_turned_round(
        self, reached_by: dict[str, dict[str, float]]
    ) -> None:
        reached = reached_by["CORNER"]
        assert reached[OWN_FRAME] == reached[SAME_FRAME] == reached[FRAME_ALONE] == 1
        assert reached[OTHER_FRAME] == 0

    def test_a_model_that_reads_the_lungs_alone_does_not_change(
        self, reached_by: dict[str, dict[str, float]]
    ) -> None:
        reached = reached_by["OF_EVERY_LEFT_LUNG"]
        assert reached[OWN_FRAME] > 0.9
        for kind in (SAME_FRAME, OTHER_FRAME, EITHER_FRAME, LUNGS_ALONE):
            assert reached[kind] == pytest.approx(reached[OWN_FRAME], abs=0.02)
        assert reached[FRAME_ALONE] < 0.7
