"""The work of Pusher: a server never sees half a version, even if the push is killed."""

from __future__ import annotations

import posixpath
from typing import Any

from tfx import v1 as tfx
from tfx.components.pusher import executor
from tfx.dsl.io import fileio
from tfx.types import Artifact, artifact_utils, standard_component_specs
from tfx.utils import proto_utils

from models import features

BESIDE = ".partial"  # a server takes folders whose name is a number for versions

# Properties of TFX's PushedModel.
_PUSHED, _VERSION, _DESTINATION = "pushed", "pushed_version", "pushed_destination"


class PusherExecutor(executor.Executor):
    """Copies a version beside the others and renames it.

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
            input_dict: `model`, `model_blessing`, `infra_blessing`.
            output_dict: `pushed_model`.
            exec_properties: `push_destination`, a JSON of PushDestination with a folder.
        """
        root = _destination(exec_properties).filesystem.base_directory
        remove_partial_versions(root)
        if "://" in root:
            super().Do(input_dict, output_dict, exec_properties)
            return
        beside = posixpath.join(root, BESIDE)
        super().Do(input_dict, output_dict, _pushing_to(beside, exec_properties))
        pushed = artifact_utils.get_single_instance(
            output_dict[standard_component_specs.PUSHED_MODEL_KEY]
        )
        if pushed.get_int_custom_property(_PUSHED):
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


def _destination(exec_properties: dict[str, Any]) -> tfx.proto.PushDestination:
    destination = tfx.proto.PushDestination()
    text = exec_properties[standard_component_specs.PUSH_DESTINATION_KEY]
    return proto_utils.json_to_proto(text, destination)


def _pushing_to(folder: str, exec_properties: dict[str, Any]) -> dict[str, Any]:
    destination = _destination(exec_properties)
    destination.filesystem.base_directory = folder
    text = proto_utils.proto_to_json(destination)
    return {**exec_properties, standard_component_specs.PUSH_DESTINATION_KEY: text}
