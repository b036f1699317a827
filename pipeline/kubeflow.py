"""Compiles the pipeline for Kubeflow Pipelines or Vertex AI."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Literal

from tfx import v1 as tfx

from models.features import MODEL_NAME
from models.hyperparameters import with_tuned
from pipeline.config import SHIPPED_HYPERPARAMETERS, PipelineConfig
from pipeline.locations import Locations
from pipeline.pipeline import SHIPPED_FOLDER, create_pipeline

Target = Literal["kfp", "vertex"]

IMAGE_SCHEMA_FILE = "/pipeline/schema/schema.pbtxt"  # see the Dockerfile


def compile_pipeline(
    config: PipelineConfig,
    target: Target,
    image: str,
    pipeline_root: str,
    data_root: str,
    output: Path,
) -> None:
    """Writes the pipeline as the service takes it.

    Open-source Kubeflow Pipelines takes a bare PipelineSpec of schema 2.1 and has no
    resolver, so that the first gate there is absolute; Vertex AI takes a PipelineJob
    and compares with the latest blessed model.

    Args:
        config: Every setting.
        target: `kfp` writes YAML, `vertex` JSON.
        image: Container image of the Dockerfile, with this package installed.
        pipeline_root: Remote folder of artifacts; the model is pushed below it.
        data_root: Remote folder of films.
        output: File to write; its extension is the caller's affair.
    """
    open_source = target == "kfp"
    locations = Locations(
        data_root=data_root,
        pipeline_root=pipeline_root,
        serving_root=f"{pipeline_root}/serving_model/{MODEL_NAME}",
        checkpoint_root=f"{pipeline_root}/checkpoints",
        schema_file=IMAGE_SCHEMA_FILE,
    )
    pipeline = create_pipeline(
        _without_packaged_files(config), locations, with_baseline=not open_source
    )
    runner_config = tfx.orchestration.experimental.KubeflowV2DagRunnerConfig(
        display_name=config.pipeline_name,
        default_image=image,
        use_pipeline_spec_2_1=open_source,
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent) as beside:
        name = "pipeline.yaml" if open_source else "pipeline.json"
        runner = tfx.orchestration.experimental.KubeflowV2DagRunner(
            config=runner_config, output_dir=beside, output_filename=name
        )
        runner.run(pipeline)
        os.replace(Path(beside) / name, output)


def _without_packaged_files(config: PipelineConfig) -> PipelineConfig:
    """Lays the shipped hyperparameters over the settings, since a service cannot import them."""
    if config.tuner.enabled or config.tuner.hyperparameters != SHIPPED_HYPERPARAMETERS:
        return config
    shipped = json.loads(next(SHIPPED_FOLDER.glob("*.txt")).read_text(encoding="utf-8"))
    tuned = with_tuned(config.hyperparameters, shipped["values"])
    return config.model_copy(
        update={
            **{name: getattr(tuned, name) for name in type(tuned).model_fields},
            "tuner": config.tuner.model_copy(update={"hyperparameters": ""}),
        }
    )
