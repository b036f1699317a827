"""The work of Pusher: a server never sees half a version, even if the push is killed."""

from __future__ import annotations

import copy
import posixpath
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tfx import v1 as tfx
from tfx.components.pusher import executor
from tfx.dsl.io import fileio
from tfx.types import Artifact, artifact_utils, standard_component_specs
from tfx.utils import io_utils, path_utils, proto_utils

from components.report_gen import sources as of
from components.report_gen.collect import collect
from components.report_gen.executor import GATES, source_of
from components.report_gen.model_card import model_card
from models import features
from models.audit_settings import Evaluation
from models.remote_files import write_text

CARD = "assets.extra/MODEL_CARD.md"  # of a version
BESIDE = ".partial"  # a server takes folders whose name is a number for versions

# Properties of TFX's PushedModel.
_VERSION, _DESTINATION = "pushed_version", "pushed_destination"


class PusherExecutor(executor.Executor):
    """Copies a version beside the others and renames it.

    The card joins a copy of the model first, and that copy is what TFX pushes. So the card comes
    before the file that makes a folder a model, on this machine and in an object store, and no
    version changes once it is there.

    An object store cannot rename a folder at once. There TFX copies `saved_model.pb` last, so
    that a killed push leaves a version that no server can load; the next push removes it.
    """

    def Do(  # noqa: N802, the name is TFX's
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Pushes a model that is blessed.

        Args:
            input_dict: `model`, `model_blessing`, `infra_blessing`, and what the card is written
                from, any of which may be missing.
            output_dict: `pushed_model`.
            exec_properties: `push_destination`, a JSON of PushDestination with a folder; `GATES`.
        """
        root = _destination(exec_properties).filesystem.base_directory
        remove_partial_versions(root)
        if not self.CheckBlessing(input_dict):
            super().Do(input_dict, output_dict, exec_properties)
            return
        with _with_card(input_dict, exec_properties) as carded:
            self._push(root, carded, output_dict, exec_properties)

    def _push(
        self,
        root: str,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        if "://" in root:
            super().Do(input_dict, output_dict, exec_properties)
            return
        beside = posixpath.join(root, BESIDE)
        super().Do(input_dict, output_dict, _pushing_to(beside, exec_properties))
        pushed = artifact_utils.get_single_instance(
            output_dict[standard_component_specs.PUSHED_MODEL_KEY]
        )
        written = pushed.get_string_custom_property(_VERSION)
        version = free_version(root, written)
        fileio.rename(posixpath.join(beside, written), posixpath.join(root, version))
        pushed.set_string_custom_property(_VERSION, version)
        pushed.set_string_custom_property(_DESTINATION, posixpath.join(root, version))
        fileio.rmtree(beside)


def remove_partial_versions(root: str) -> None:
    """Removes what killed pushes left below a folder of versions.

    Args:
        root: Local or remote; need not exist.
    """
    names = [str(name).rstrip("/") for name in fileio.listdir(root)] if fileio.isdir(root) else []
    for name in names:
        folder = posixpath.join(root, name)
        is_whole = fileio.exists(posixpath.join(folder, features.SAVED_MODEL))
        is_partial = name.isdigit() and not is_whole
        if name == BESIDE or is_partial:
            fileio.rmtree(folder)


def free_version(root: str, wanted: str) -> str:
    """Returns the version or the next free one: TFX counts seconds, a killed push may be as new.

    Args:
        root: Folder of versions, local or remote; need not exist.
        wanted: A number.
    """
    version = int(wanted)
    while fileio.exists(posixpath.join(root, str(version))):
        version += 1
    return str(version)


@contextmanager
def _with_card(
    input_dict: dict[str, list[Artifact]], exec_properties: dict[str, Any]
) -> Iterator[dict[str, list[Artifact]]]:
    """Yields the inputs with a copy of the model, on this machine, that has its card."""
    model = artifact_utils.get_single_instance(input_dict[standard_component_specs.MODEL_KEY])
    with tempfile.TemporaryDirectory() as folder:
        carded = copy.deepcopy(model)
        carded.uri = folder
        is_old = path_utils.is_old_model_artifact(model)
        served = path_utils.serving_model_path(folder, is_old)
        io_utils.copy_dir(path_utils.serving_model_path(model.uri, is_old), served)
        fileio.makedirs(posixpath.join(served, posixpath.dirname(CARD)))
        write_text(posixpath.join(served, CARD), _card(input_dict, exec_properties))
        yield {**input_dict, standard_component_specs.MODEL_KEY: [carded]}


def _card(input_dict: dict[str, list[Artifact]], exec_properties: dict[str, Any]) -> str:
    """Returns all that can be said before the push."""
    names = {name: name for name in of.OF_A_CARD} | {
        of.BLESSING: standard_component_specs.MODEL_BLESSING_KEY,
        of.INFRA_BLESSING: standard_component_specs.INFRA_BLESSING_KEY,
    }
    sources = {
        name: source_of(input_dict[key][0]) for name, key in names.items() if input_dict.get(key)
    }
    gates = Evaluation.model_validate_json(exec_properties[GATES])
    return model_card(collect(sources, gates, not_missed=of.NAMES.keys() - names.keys()))


def _destination(exec_properties: dict[str, Any]) -> tfx.proto.PushDestination:
    destination = tfx.proto.PushDestination()
    text = exec_properties[standard_component_specs.PUSH_DESTINATION_KEY]
    return proto_utils.json_to_proto(text, destination)


def _pushing_to(folder: str, exec_properties: dict[str, Any]) -> dict[str, Any]:
    destination = _destination(exec_properties)
    destination.filesystem.base_directory = folder
    text = proto_utils.proto_to_json(destination)
    return {**exec_properties, standard_component_specs.PUSH_DESTINATION_KEY: text}
