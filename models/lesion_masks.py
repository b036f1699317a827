"""Lesion masks as a network is trained on them: cut and resized as the film that each is of.

Films are prepared without them, and what the Transform graph does of a film it does whether or not
a mask was drawn on it. A mask follows the frame that `look_at_whole` finds, which is where
Transform has cut the film, so that an explanation and a mask go by the same frame.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

import tensorflow as tf

from models import features
from models.hyperparameters import Preprocessing
from models.images import resize_image
from models.lung_fields.network import SIDE_PX
from models.lung_fields.whole_films import look_at_whole

NO_LESION_MASKS = (
    "network.segmentation learns from lesion masks, and no film of train has one; name them in the "
    "column lesion_mask of the manifest, look for films with one in the quarantine list, or set "
    "network.segmentation=false"
)


def cut_masks(
    films: tf.Tensor, masks: tf.Tensor, settings: Preprocessing
) -> tuple[tf.Tensor, tf.Tensor]:
    """Lays masks out on prepared films.

    Args:
        films: [batch] string, files.
        masks: [batch] string, of `radiographs.lesion_masks`; empty where none is drawn.
        settings: size, border and lungs, as the films are prepared with.

    Returns:
        Places in the batch of the films with a mask, [drawn] int64, and the masks there,
        [drawn, size, size] uint8: share of each pixel that is lesion, of 255.
    """
    return _cutting(settings)(films, masks)


@functools.lru_cache(maxsize=4)
def _cutting(
    settings: Preprocessing,
) -> Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """Returns the function of a graph that cuts masks, traced once for all that call it."""
    size_px = settings.image_size_px

    def cut(of_film: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        mask, frame = of_film
        whole = tf.io.decode_png(mask, channels=1)
        sides_px = tf.cast(tf.tile(tf.shape(whole)[:2], [2]), tf.float32)
        top, left, bottom, right = tf.unstack(tf.cast(tf.round(frame * sides_px), tf.int32))
        return resize_image(tf.cast(whole[top:bottom, left:right], tf.float32), size_px)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)] * 2)
    def cut_all(films: tf.Tensor, masks: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        places = tf.where(masks != "")[:, 0]

        def cut_drawn() -> tf.Tensor:
            frames = look_at_whole(tf.gather(films, places), settings, SIDE_PX).frames
            of_size = tf.TensorSpec([size_px, size_px], tf.uint8)
            cut_out = (tf.gather(masks, places), frames)
            # One after the other: a film may have a hundred megapixels.
            return tf.map_fn(cut, cut_out, parallel_iterations=1, fn_output_signature=of_size)

        # A served model is given no mask, and looks for no lungs a second time.
        none = tf.zeros([0, size_px, size_px], tf.uint8)
        return places, tf.cond(tf.size(places) > 0, cut_drawn, lambda: none)

    return cut_all


def unpack_masks(transformed: Mapping[str, tf.Tensor], size_px: int) -> tf.Tensor:
    """Reads the lesion masks of transformed examples.

    Args:
        transformed: holds LESION_MASK_XF, [batch, 1] or [batch] string.
        size_px: height and width that Transform resized to.

    Returns:
        [batch, size_px, size_px, 1] float32 in [0, 1]; 0 where none is drawn.
    """
    packed = tf.reshape(transformed[features.LESION_MASK_XF], [-1])
    # What is missing of an empty one is made up for by noughts.
    shares = tf.io.decode_raw(packed, tf.uint8, fixed_length=size_px**2)
    shape = [tf.shape(packed)[0], size_px, size_px, 1]
    return tf.cast(tf.reshape(shares, shape), tf.float32) / 255.0
