"""The text of a schema brought up to date: comments, and all that stays, as they were written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from google.protobuf import text_format
from google.protobuf.message import Message
from tensorflow_metadata.proto.v0 import schema_pb2

_NAMED = ("feature", "string_domain")  # entries of a schema that go by a name
_STRING_OR_COMMENT = re.compile(r'"(?:\\.|[^"\\])*"|#[^\n]*')
_BLOCK = re.compile(r"(\w+)\s*\{\n(.*?\n?)\}\s*", re.DOTALL)


def updated_text(text: str, schema: schema_pb2.Schema) -> str:
    """Writes a schema into the text of an earlier one.

    Args:
        text: Of the earlier schema; a line holds whole fields, or opens or closes one.
        schema: The new one.

    Returns:
        Text of the new schema, in which lines that still hold are untouched.
    """
    return _updated(text, schema, "")


def _updated(text: str, message: Message, indent: str) -> str:
    left = type(message)()
    left.CopyFrom(message)
    kept = [_kept(entry, left) for entry in _entries(text)]
    return "".join([*kept, *(f"{indent}{line}\n" for line in _fields(left))])


def _entries(text: str) -> Iterator[str]:
    """Yields lines, those between braces together."""
    entry, depth = "", 0
    for line in text.splitlines(keepends=True):
        entry += line
        code = _STRING_OR_COMMENT.sub("", line)
        depth += code.count("{") - code.count("}")
        if not depth:
            yield entry
            entry = ""


def _kept(entry: str, left: Message) -> str:
    """Returns what stays of an entry, and takes that out of what is left to write."""
    found = text_format.Parse(entry, type(left)())
    values = [
        (field.name, value)
        for field, content in found.ListFields()
        for value in (content if _is_list(content) else [content])
    ]
    if all(_holds(left, name, value) for name, value in values):
        for name, value in values:
            _take(left, name, value)
        return entry
    name, value = values[0]
    if name not in _NAMED or not isinstance(left, schema_pb2.Schema):
        return ""
    changed = next((one for one in getattr(left, name) if one.name == value.name), None)
    if changed is None:
        return ""
    block = _BLOCK.fullmatch(entry)
    text = (
        f"{name} {{\n{_updated(block[2], changed, '  ')}}}\n"
        if block
        else f"{name} {{ {text_format.MessageToString(changed, as_one_line=True)} }}\n"
    )
    getattr(left, name).remove(changed)
    return text


def _holds(message: Message, name: str, value: Any) -> bool:
    content = getattr(message, name)
    if _is_list(content):
        return value in content
    return any(field.name == name for field, _ in message.ListFields()) and content == value


def _take(message: Message, name: str, value: Any) -> None:
    content = getattr(message, name)
    if _is_list(content):
        content.remove(value)
    else:
        message.ClearField(name)


def _is_list(content: Any) -> bool:
    return hasattr(content, "append")


def _fields(message: Message) -> Iterator[str]:
    """Yields a line for each value; a feature as a block of such lines."""
    for field, content in message.ListFields():
        for value in content if _is_list(content) else [content]:
            if isinstance(value, schema_pb2.Feature):
                yield f"{field.name} {{"
                yield from (f"  {line}" for line in _fields(value))
                yield "}"
            elif isinstance(value, Message):
                yield f"{field.name} {{ {text_format.MessageToString(value, as_one_line=True)} }}"
            else:
                yield _scalar(message, field.name, value)


def _scalar(message: Message, name: str, value: Any) -> str:
    alone = type(message)()
    if _is_list(getattr(alone, name)):
        getattr(alone, name).append(value)
    else:
        setattr(alone, name, value)
    return text_format.MessageToString(alone, as_one_line=True)
