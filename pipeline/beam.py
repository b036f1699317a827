"""How Apache Beam runs: the arguments that TFX hands to it."""

from __future__ import annotations

from pipeline.config import Beam

# By its full name: newer Beam's DirectRunner first looks for another runner to download.
LOCAL_RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"


# TFX packs itself for the workers of other machines unless an image is named that holds it, and
# leaves 40 MB in the temporary folder each time. Workers of this machine have it installed.
NO_IMAGE = "--sdk_container_image=none"


def beam_arguments(settings: Beam) -> list[str]:
    """Returns Beam's arguments; further ones of the settings win, since they come last."""
    arguments = [f"--runner={LOCAL_RUNNER}"]
    if not any(argument.startswith("--runner") for argument in settings.extra_args):
        arguments.append(NO_IMAGE)
    if settings.workers > 1:
        arguments += [
            "--direct_running_mode=multi_processing",
            f"--direct_num_workers={settings.workers}",
        ]
    return [*arguments, *settings.extra_args]
