"""Reads the names of protobuf messages from a generated module, which holds them serialised."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from google.protobuf import descriptor_pb2, message
from google.protobuf.internal import enum_type_wrapper

# A tree: what a message or enum has as attributes, each with its own.
Names = dict[str, "Names"]

_OF_MESSAGES = [*dir(message.Message), "DESCRIPTOR", "FromString"]
_OF_ENUMS = [*dir(enum_type_wrapper.EnumTypeWrapper), "DESCRIPTOR"]


def read_names(module: ast.Module) -> Names:
    """Returns what a `_pb2` module has beyond its own statements.

    Args:
        module: Its source, parsed; the longest bytes in it are the FileDescriptorProto.
    """
    constants = (node.value for node in ast.walk(module) if isinstance(node, ast.Constant))
    serialised = max((one for one in constants if isinstance(one, bytes)), key=len, default=b"")
    file = descriptor_pb2.FileDescriptorProto.FromString(serialised)
    return (
        _plain(["DESCRIPTOR", *(extension.name for extension in file.extension)])
        | _of_enums(file.enum_type)
        | {one.name: _of_message(one) for one in file.message_type}
    )


def _of_message(one: descriptor_pb2.DescriptorProto) -> Names:
    fields = [field.name for field in one.field]
    numbers = [f"{name.upper()}_FIELD_NUMBER" for name in fields]
    return (
        _plain([*_OF_MESSAGES, *fields, *numbers, *(named.name for named in one.extension)])
        | _of_enums(one.enum_type)
        | {nested.name: _of_message(nested) for nested in one.nested_type}
    )


def _of_enums(enums: Iterable[descriptor_pb2.EnumDescriptorProto]) -> Names:
    """An enum is a name with its values below it, and each value stands beside it too."""
    names: Names = {}
    for enum in enums:
        values = [value.name for value in enum.value]
        names |= _plain(values) | {enum.name: _plain([*values, *_OF_ENUMS])}
    return names


def _plain(names: Iterable[str]) -> Names:
    return {name: {} for name in names}
