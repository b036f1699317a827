"""The pipeline: components and what flows between them, for every runner."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from tfx import v1 as tfx
from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.common.resolver import ResolverStrategy
from tfx.types import BaseChannel

from components.artifacts import DataGateReport
from components.audit_gate.component import AuditGate
from components.auditor import external
from components.auditor.component import Auditor
from components.data_gate.component import DataGate
from components.data_gate.executor import EXAMPLES, REPORT, STATISTICS
from components.evaluation import decisions
from components.explanation_gen.component import ExplanationGen
from components.label_auditor.component import LabelAuditor
from components.model_validator.component import ModelValidator
from components.pusher.component import Pusher
from components.radiograph_example_gen.component import RadiographExampleGen
from components.report_gen.component import ReportGen
from models import features, preprocessing, training, tuning
from models.source import SOURCE_FINGERPRINT, digest, source_fingerprint
from pipeline.accepted import LatestAcceptedStatistics
from pipeline.baseline import CANDIDATE, MODEL, MODEL_BLESSING, LatestOtherBlessedModel
from pipeline.beam import beam_arguments
from pipeline.config import PipelineConfig
from pipeline.evaluation import make_eval_config
from pipeline.locations import Locations
from radiographs.pseudonyms import kept_keys

BASELINE = "LatestBlessedModel"
ACCEPTED = "LatestAcceptedStatistics"


def create_pipeline(
    config: PipelineConfig,
    locations: Locations,
    metadata_connection_config: Any = None,
    baseline_strategy: type[ResolverStrategy] | None = LatestOtherBlessedModel,
    accepted_strategy: type[ResolverStrategy] | None = LatestAcceptedStatistics,
) -> tfx.dsl.Pipeline:
    """Wires the components.

    Args:
        config: Every setting.
        locations: Where to read and write.
        metadata_connection_config: Of the local runner; None where a service keeps it.
        baseline_strategy: Finds the model to compare with; a service knows only TFX's own
            strategies, and open-source Kubeflow Pipelines none.
        accepted_strategy: Finds the statistics of the data before, in which a service can only
            be given none.

    Returns:
        The pipeline, to be run or compiled.
    """
    return tfx.dsl.Pipeline(
        pipeline_name=config.pipeline_name,
        pipeline_root=locations.pipeline_root,
        components=create_components(config, locations, baseline_strategy, accepted_strategy),
        enable_cache=True,
        metadata_connection_config=metadata_connection_config,
        beam_pipeline_args=beam_arguments(config.beam),
    )


def create_components(
    config: PipelineConfig,
    locations: Locations,
    baseline_strategy: type[ResolverStrategy] | None,
    accepted_strategy: type[ResolverStrategy] | None = None,
) -> list[BaseNode]:
    """Returns the components in the order of the data flow."""
    source = source_fingerprint()
    training_config = {
        training.HYPERPARAMETERS: config.hyperparameters.model_dump_json(),
        training.KEEP: [] if config.tuner.enabled else list(config.tuner.keep),
        training.CHECKPOINT_ROOT: locations.checkpoint_root,
        # Imports are known by their address only; what they hold has to reach the cache's key.
        training.IMPORTED: digest(config.imported_files),
        SOURCE_FINGERPRINT: source,
    }

    # Films that were ingested before the key was rotated have other pseudonyms.
    rotated = digest(kept_keys(config.data.pseudonym_key_file))
    example_gen = RadiographExampleGen(
        locations.data_root, config.data, f"{source}{rotated}", config.preprocessing
    )
    examples = example_gen.outputs["examples"]
    schema_importer = tfx.components.ImportSchemaGen(schema_file=locations.schema_file)
    data_schema = schema_importer.outputs["schema"]
    statistics_gen = tfx.components.StatisticsGen(examples=examples, schema=data_schema)
    statistics = statistics_gen.outputs["statistics"]
    example_validator = tfx.components.ExampleValidator(statistics=statistics, schema=data_schema)
    accepted = _accepted(accepted_strategy, examples, locations) if accepted_strategy else None
    data_gate = DataGate(
        examples,
        statistics,
        data_schema,
        f"{source}{_state_of(config.data_gate.serving_statistics)}",
        previous_statistics=accepted.outputs[STATISTICS] if accepted else None,
        accepted=accepted.outputs[REPORT] if accepted else None,
        settings=config.data_gate,
        learns_lesions=config.network.segmentation,
    )

    transform = _transform(config, examples, data_schema, source)
    transform.add_upstream_node(data_gate)
    hyperparameters = _hyperparameters(config, transform, training_config)
    trainer = _trainer(transform, data_schema, hyperparameters, training_config)
    model = trainer.outputs["model"]

    baseline = _baseline(baseline_strategy, model) if baseline_strategy else None
    evaluator = _evaluator(config, examples, data_schema, model, baseline, source)
    model_validator = ModelValidator(
        model, trainer.outputs["model_run"], examples, transform.outputs["transform_graph"], source
    )
    auditor = Auditor(
        examples=examples,
        model=model,
        model_run=trainer.outputs["model_run"],
        transformed_examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        measures=config.evaluation.measures,
        options=config.data,
        external_fingerprint=_external_fingerprint(config, locations),
        source_fingerprint=f"{source}{_state_of(_weights_of_audit(config))}",
    )
    audit_gate = AuditGate(
        audit=auditor.outputs["audit"],
        model=model,
        evaluator_blessing=evaluator.outputs["blessing"],
        floors=config.evaluation.floors,
        source_fingerprint=source,
    )
    pusher = Pusher(
        model=model,
        model_blessing=audit_gate.outputs["blessing"],
        infra_blessing=model_validator.outputs["blessing"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory=locations.serving_root)
        ),
        gates=config.evaluation,
        ingest_report=example_gen.outputs["report"],
        statistics=statistics,
        model_run=trainer.outputs["model_run"],
        evaluation=evaluator.outputs["evaluation"],
        audit=auditor.outputs["audit"],
        verdicts=audit_gate.outputs["verdicts"],
    )
    explanation_gen = ExplanationGen(
        examples, model, trainer.outputs["model_run"], config.explanations, source
    )
    explanation_gen.add_upstream_node(pusher)  # a picture that fails must not keep a model back
    label_auditor = LabelAuditor(
        examples,
        transform.outputs["transformed_examples"],
        transform.outputs["transform_graph"],
        example_gen.outputs["report"],
        config.label_audit,
        config.task,
        source,
    )
    label_auditor.add_upstream_node(pusher)  # it judges labels, not the model
    report_gen = ReportGen(
        gates=config.evaluation,
        source_fingerprint=source,
        ingest_report=example_gen.outputs["report"],
        data_gate_report=data_gate.outputs["report"],
        statistics=statistics,
        model_run=trainer.outputs["model_run"],
        tuner_results=hyperparameters.outputs.get("tuner_results") if hyperparameters else None,
        evaluation=evaluator.outputs["evaluation"],
        evaluator_blessing=evaluator.outputs["blessing"],
        audit=auditor.outputs["audit"],
        verdicts=audit_gate.outputs["verdicts"],
        blessing=audit_gate.outputs["blessing"],
        infra_blessing=model_validator.outputs["blessing"],
        pushed_model=pusher.outputs["pushed_model"],
        explanations=explanation_gen.outputs["explanations"],
        label_audit=label_auditor.outputs["label_audit"],
    )
    nodes = [
        example_gen, schema_importer, statistics_gen, example_validator, accepted, data_gate,
        transform, hyperparameters, trainer, baseline, evaluator, auditor, audit_gate,
        model_validator, pusher, explanation_gen, label_auditor, report_gen,
    ]  # fmt: skip
    return [node for node in nodes if node is not None]


def _weights_of_audit(config: PipelineConfig) -> str:
    """Returns the own weights by which the Auditor alone finds lungs.

    Where films are prepared by them, the ingest's driver sees whether they have changed, and what
    comes after it is made anew.
    """
    return "" if config.preprocessing.own_lung_weights else config.own_lung_weights


def _state_of(address: str) -> str:
    """Returns what changes with a file that may be another one at the same address."""
    if not address:
        return ""
    file = Path(address)
    # What lies at a URI, or in a container, is seen by the component alone: it runs each time.
    return digest([file]) if file.is_file() else uuid.uuid4().hex


def _transform(
    config: PipelineConfig, examples: BaseChannel, data_schema: BaseChannel, source: str
) -> BaseNode:
    return tfx.components.Transform(
        examples=examples,
        schema=data_schema,
        preprocessing_fn="models.preprocessing.preprocessing_fn",
        splits_config=tfx.proto.SplitsConfig(
            analyze=[features.TRAIN], transform=[features.TRAIN, features.EVAL]
        ),
        custom_config={
            preprocessing.PREPROCESSING_KEY: config.preprocessing.model_dump_json(),
            preprocessing.INGEST_KEY: config.data.model_dump_json(),
            **({preprocessing.CLINICAL_KEY: True} if config.network.clinical else {}),
            **({preprocessing.SEGMENTATION_KEY: True} if config.network.segmentation else {}),
            SOURCE_FINGERPRINT: source,
        },
        disable_statistics=True,
    )


def _trainer(
    transform: BaseNode,
    data_schema: BaseChannel,
    hyperparameters: BaseNode | None,
    training_config: dict[str, Any],
) -> BaseNode:
    return tfx.components.Trainer(
        run_fn="models.training.run_fn",
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=data_schema,
        hyperparameters=(
            hyperparameters.outputs["best_hyperparameters"] if hyperparameters else None
        ),
        train_args=tfx.proto.TrainArgs(splits=[features.TRAIN]),
        eval_args=tfx.proto.EvalArgs(splits=[features.EVAL]),
        custom_config=training_config,
    )


def _evaluator(
    config: PipelineConfig,
    examples: BaseChannel,
    data_schema: BaseChannel,
    model: BaseChannel,
    baseline: BaseNode | None,
    source: str,
) -> BaseNode:
    return tfx.components.Evaluator(
        examples=examples,
        example_splits=[features.TEST],
        model=model,
        baseline_model=baseline.outputs[MODEL] if baseline else None,
        schema=data_schema,
        eval_config=make_eval_config(config.evaluation, source),
        module_path=decisions.__name__,
    )


def _hyperparameters(
    config: PipelineConfig, transform: BaseNode, training_config: dict[str, Any]
) -> BaseNode | None:
    """Returns what hands hyperparameters to the Trainer: a search, an import or nothing."""
    tuner = config.tuner
    if tuner.enabled:
        search = tuner.model_dump(include={"algorithm", "trials", "epochs", "max_steps_per_epoch"})
        return tfx.components.Tuner(
            tuner_fn="models.tuning.tuner_fn",
            examples=transform.outputs["transformed_examples"],
            transform_graph=transform.outputs["transform_graph"],
            train_args=tfx.proto.TrainArgs(splits=[features.TRAIN]),
            eval_args=tfx.proto.EvalArgs(splits=[features.EVAL]),
            custom_config={**training_config, tuning.SEARCH: search},
        )
    if not config.hyperparameters_folder:
        return None
    return tfx.dsl.Importer(
        source_uri=config.hyperparameters_folder,
        artifact_type=tfx.types.standard_artifacts.HyperParameters,
        output_key="best_hyperparameters",
    ).with_id("ImportHyperparameters")


def _external_fingerprint(config: PipelineConfig, locations: Locations) -> str:
    """Returns a digest of a folder on this machine; a service sees only the address.

    Raises:
        DataError: If the folder holds no films of both classes, or some of those to train on,
            before an hour of training has gone by.
    """
    root = config.evaluation.external_data_root
    if not root or not Path(root).is_dir():
        return ""
    external.refuse_shared_files(root, locations.data_root, config.data)
    return external.fingerprint(root)


def _baseline(strategy: type[ResolverStrategy], candidate: BaseChannel) -> BaseNode:
    channels: dict[str, BaseChannel] = {
        MODEL: tfx.dsl.Channel(type=tfx.types.standard_artifacts.Model),
        MODEL_BLESSING: tfx.dsl.Channel(type=tfx.types.standard_artifacts.ModelBlessing),
    }
    if issubclass(strategy, LatestOtherBlessedModel):  # TFX's own takes no third channel
        channels[CANDIDATE] = candidate
    return tfx.dsl.Resolver(strategy_class=strategy, **channels).with_id(BASELINE)


def _accepted(
    strategy: type[ResolverStrategy], examples: BaseChannel, locations: Locations
) -> BaseNode:
    return tfx.dsl.Resolver(
        strategy_class=strategy,
        config={"phantoms_root": locations.phantoms_root},
        **{
            STATISTICS: tfx.dsl.Channel(type=tfx.types.standard_artifacts.ExampleStatistics),
            REPORT: tfx.dsl.Channel(type=DataGateReport),
            EXAMPLES: examples,
        },
    ).with_id(ACCEPTED)
