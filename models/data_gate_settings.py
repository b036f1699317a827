"""What the DataGate is told. Stands here, as importing `components` imports TFX."""

from __future__ import annotations

from pydantic import Field

from models.hyperparameters import Settings


class DataGateSettings(Settings):
    """How films are compared with those before them; the thresholds are in the schema."""

    serving_statistics: str = Field(
        "",
        description="FeatureStats.pb of films that a model was served, with which train is "
        "compared; `python -m pipeline.schema statistics` makes one; empty for none",
    )
    accept_drift: str = Field(
        "",
        description="why films are used although they have drifted from those accepted before, or "
        "differ from those served: it is reported, and does not stop the run",
    )
