"""The RadiographExampleGen component: its parameters and outputs."""

from __future__ import annotations

from tfx import types
from tfx.components.example_gen.component import FileBasedExampleGen
from tfx.dsl.components.base import executor_spec
from tfx.proto import example_gen_pb2
from tfx.types import component_spec, standard_artifacts, standard_component_specs

from components.artifacts import IngestReport
from components.radiograph_example_gen.driver import RadiographDriver
from components.radiograph_example_gen.executor import (
    JUDGING,
    OPTIONS,
    REPORT,
    RadiographExecutor,
)
from models.features import SPLITS
from models.hyperparameters import Preprocessing
from models.source import SOURCE_FINGERPRINT
from radiographs.options import IngestOptions


class RadiographExampleGenSpec(component_spec.ComponentSpec):
    """FileBasedExampleGen's parameters, the ingest options and a report."""

    PARAMETERS = {
        **standard_component_specs.FileBasedExampleGenSpec.PARAMETERS,
        OPTIONS: component_spec.ExecutionParameter(type=str),
        JUDGING: component_spec.ExecutionParameter(type=str),
        SOURCE_FINGERPRINT: component_spec.ExecutionParameter(type=str),
    }
    INPUTS: dict[str, component_spec.ChannelParameter] = {}
    OUTPUTS = {
        standard_component_specs.EXAMPLES_KEY: component_spec.ChannelParameter(
            type=standard_artifacts.Examples
        ),
        REPORT: component_spec.ChannelParameter(type=IngestReport),
    }


class RadiographExampleGen(FileBasedExampleGen):
    """Reads class folders, a manifest or DICOM, splits by patient, quarantines bad files.

    Outputs `examples` (splits train, eval and test) and `report`.
    """

    SPEC_CLASS = RadiographExampleGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(RadiographExecutor)
    DRIVER_CLASS = RadiographDriver

    def __init__(
        self,
        input_base: str,
        options: IngestOptions,
        source_fingerprint: str = "",
        preprocessing: Preprocessing | None = None,
    ):
        """Describes the ingest of a folder.

        Args:
            input_base: The data root, local or remote.
            options: Layout, splits, patients, quarantine.
            source_fingerprint: Changes with the code, so that no stale cache serves.
            preprocessing: Of the run; where it looks for lungs, films without are quarantined.
        """
        everything = example_gen_pb2.Input.Split(name="films", pattern="*")
        splits = [example_gen_pb2.SplitConfig.Split(name=name, hash_buckets=1) for name in SPLITS]
        spec = RadiographExampleGenSpec(
            input_base=input_base,
            input_config=example_gen_pb2.Input(splits=[everything]),
            output_config=example_gen_pb2.Output(
                split_config=example_gen_pb2.SplitConfig(splits=splits)
            ),
            output_data_format=example_gen_pb2.FORMAT_TF_EXAMPLE,
            output_file_format=example_gen_pb2.FORMAT_TFRECORDS_GZIP,
            **{
                OPTIONS: options.model_dump_json(),
                JUDGING: (preprocessing or Preprocessing()).judging.model_dump_json(),
                SOURCE_FINGERPRINT: source_fingerprint,
            },
            examples=types.Channel(type=standard_artifacts.Examples),
            report=types.Channel(type=IngestReport),
        )
        # FileBasedExampleGen's own constructor knows one output only.
        super(FileBasedExampleGen, self).__init__(spec=spec)
