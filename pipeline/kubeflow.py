"""Compiles the pipeline for Kubeflow Pipelines or Vertex AI."""

from __future__ import annotations

import json
from typing import Any, Literal

import yaml
from tfx import v1 as tfx

from components.radiograph_example_gen.component import RadiographExampleGen
from models.features import MODEL_NAME
from pipeline.config import PipelineConfig, with_shipped
from pipeline.locations import Locations
from pipeline.pipeline import create_pipeline

Target = Literal["kfp", "vertex"]

IMAGE_SCHEMA_FILE = "/pipeline/schema/schema.pbtxt"  # see the Dockerfile


def compile_pipeline(
    config: PipelineConfig, target: Target, image: str, pipeline_root: str, data_root: str
) -> str:
    """Returns the pipeline as the service takes it.

    Open-source Kubeflow Pipelines takes a bare PipelineSpec of schema 2.1 and has no
    resolver, so that the first gate there is absolute; Vertex AI takes a PipelineJob
    and compares with the latest blessed model. Neither knows a strategy of ours, so that
    no data is compared with the data before.

    Args:
        config: Every setting.
        target: The service; `kfp` makes YAML, `vertex` JSON.
        image: Container image of the Dockerfile, with this package installed.
        pipeline_root: Remote folder of artifacts; the model is pushed below it.
        data_root: Remote folder of films.

    Returns:
        The text of the file to upload.
    """
    open_source = target == "kfp"
    baseline = None if open_source else tfx.dsl.experimental.LatestBlessedModelStrategy
    config = _for_a_service(config)
    locations = Locations(
        data_root=data_root,
        pipeline_root=pipeline_root,
        serving_root=f"{pipeline_root}/serving_model/{MODEL_NAME}",
        checkpoint_root=f"{pipeline_root}/checkpoints",
        schema_file=IMAGE_SCHEMA_FILE,
    )
    runner_config = tfx.orchestration.experimental.KubeflowV2DagRunnerConfig(
        display_name=config.pipeline_name,
        default_image=image,
        use_pipeline_spec_2_1=open_source,
    )
    job = tfx.orchestration.experimental.KubeflowV2DagRunner(runner_config).run(
        create_pipeline(config, locations, None, baseline, accepted_strategy=None),
        write_out=False,
    )
    spec = job["pipelineSpec"]
    _always_read_the_films(spec)
    if open_source:
        spec["defaultPipelineRoot"] = pipeline_root  # only a job has a place of its own for it
        return yaml.safe_dump(spec)
    return json.dumps(job, indent=2)


def _for_a_service(config: PipelineConfig) -> PipelineConfig:
    """Puts the settings in terms of a service.

    It knows no underscore in a name and cannot import a packaged file, so the shipped
    hyperparameters are laid over the settings.
    """
    name = config.pipeline_name.replace("_", "-")
    return with_shipped(config).model_copy(update={"pipeline_name": name})


def _always_read_the_films(spec: dict[str, Any]) -> None:
    """Takes the ingest out of the cache: a service cannot tell whether films have changed.

    Kubeflow Pipelines runs no driver, and the one Vertex AI runs is TFX's own, which
    looks at one level of folders.
    """
    del spec["root"]["dag"]["tasks"][RadiographExampleGen.__name__]["cachingOptions"]
