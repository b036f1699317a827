"""How Apache Beam runs: the arguments that TFX hands to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pipeline.config import Beam

# By its full name: newer Beam's DirectRunner first looks for another runner to download.
LOCAL_RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"


# TFX packs itself for the workers of other machines unless an image is named that holds it, and
# leaves 40 MB in the temporary folder each time. Workers of this machine have it installed.
NO_IMAGE = "--sdk_container_image=none"


# Beam stops watching a job of a portable engine after this; its own 60 seconds end an ingest.
_LONGEST_JOB = f"--job_server_timeout={7 * 24 * 60 * 60}"


def beam_arguments(settings: Beam) -> list[str]:
    """Returns Beam's arguments; further ones of the settings win, since they come last."""
    return [*_ENGINES[settings.engine](settings), *settings.extra_args]


def names_another_runner(settings: Beam) -> bool:
    """Whether further arguments put something else in the place of Beam's local runner."""
    arguments = settings.extra_args
    local = any(argument.endswith(("DirectRunner", "FnApiRunner")) for argument in arguments)
    return not local and any(argument.startswith("--runner") for argument in arguments)


def _local(settings: Beam) -> list[str]:
    arguments = [f"--runner={LOCAL_RUNNER}"]
    if not any(argument.startswith("--runner") for argument in settings.extra_args):
        arguments.append(NO_IMAGE)
    if settings.workers > 1:
        arguments += [
            "--direct_running_mode=multi_processing",
            f"--direct_num_workers={settings.workers}",
        ]
    return arguments


def _prism(settings: Beam) -> list[str]:
    endpoint = f"--job_endpoint={settings.address}"
    return ["--runner=PortableRunner", endpoint, _LONGEST_JOB, *_sdk_workers(settings)]


def _flink(settings: Beam) -> list[str]:
    return [
        "--runner=FlinkRunner",
        f"--flink_master={settings.address}",
        f"--parallelism={settings.workers}",
        *_sdk_workers(settings),
    ]


def _spark(settings: Beam) -> list[str]:
    master = f"--spark_master_url={settings.address}"
    return ["--runner=SparkRunner", master, *_sdk_workers(settings)]


def _dataflow(settings: Beam) -> list[str]:
    return [
        "--runner=DataflowRunner",
        f"--max_num_workers={settings.workers}",
        f"--sdk_container_image={settings.image}",
    ]


def _sdk_workers(settings: Beam) -> list[str]:
    """Returns where a portable engine finds the Python processes that do the work."""
    parallelism = f"--sdk_worker_parallelism={settings.workers}"
    if settings.worker_pool:
        pool = f"--environment_config={settings.worker_pool}"
        return [parallelism, "--environment_type=EXTERNAL", pool, NO_IMAGE]
    image = f"--sdk_container_image={settings.image}"
    return [parallelism, "--environment_type=DOCKER", image]


_ENGINES: Mapping[str, Callable[[Beam], list[str]]] = {
    "local": _local,
    "prism": _prism,
    "flink": _flink,
    "spark": _spark,
    "dataflow": _dataflow,
}
