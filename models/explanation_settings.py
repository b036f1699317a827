"""What ExplanationGen is told: how many test films a run explains, and how large its pictures are.

The settings stand here because importing `components` imports TFX, and a flag should be refused at
once.
"""

from __future__ import annotations

from pydantic import Field

from models.hyperparameters import Settings


class ExplanationSettings(Settings):
    """The sample of test films that a run explains; all of it is in ExplanationGen's cache key."""

    films: int = Field(
        200, ge=0, le=10_000, description="test films explained at most; 0 explains none"
    )
    size_px: int = Field(
        256, ge=64, le=1024, description="longer side of the picture of an explained film"
    )
    feature_maps: int = Field(
        2, ge=0, le=100, description="films of each outcome whose feature maps are drawn"
    )
