"""Settings as a user gives them, `part.setting=value`, and what is said of one that is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from pydantic import BaseModel


class ConfigError(ValueError):
    """A setting is unknown or has a value that is not allowed; the text says which."""


def parse_override(override: str) -> Mapping[str, Any]:
    """Reads one setting.

    Args:
        override: `part.setting=value`, the value as YAML.

    Returns:
        Nested settings, such as `{"train": {"epochs": 3}}`.

    Raises:
        ConfigError: If it is not of that form.
    """
    name, equals, text = override.partition("=")
    if not equals or not name:
        raise ConfigError(f"'{override}' is not of the form part.setting=value")
    try:
        value: Any = yaml.safe_load(text) if text else ""
    except yaml.YAMLError:
        value = text
    if isinstance(value, str) and _is_number(value):
        value = float(value)  # YAML 1.1 takes 1e-3 for a string
    for key in reversed(name.split(".")):
        value = {key: value}
    return value


def merged(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    """Lays nested settings over others."""
    result = dict(base)
    for key, value in top.items():
        below = result.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            value = merged(below, value)
        result[key] = value
    return result


def explain(errors: Sequence[Mapping[str, Any]], group: type[BaseModel]) -> ConfigError:
    """Returns what is said of settings that pydantic refuses.

    Args:
        errors: Of its ValidationError.
        group: Model of all settings.
    """
    return ConfigError("; ".join(_explain(error, group) for error in errors))


def _explain(error: Mapping[str, Any], group: type[BaseModel]) -> str:
    name = ".".join(str(part) for part in error["loc"])
    if error["type"] == "value_error":
        sentence = str(error["ctx"]["error"])
        return f"{name}: {sentence}" if name else sentence
    if error["type"] == "model_type":
        allowed = _allowed_beside((*error["loc"], ""), group)
        return f"{name} is a group of settings; {allowed}"
    if error["type"] == "tuple_type":
        return f"{name} is a list, such as --set '{name}=[{error['input']}]'"
    if error["type"] == "extra_forbidden":
        return f"there is no setting '{name}'; {_allowed_beside(error['loc'], group)}"
    return f"{name}: {error['msg'][0].lower()}{error['msg'][1:]}, not {error['input']!r}"


def _allowed_beside(location: tuple[str | int, ...], settings: type[BaseModel]) -> str:
    group: Any = settings
    for key in location[:-1]:
        group = type(group.model_fields[str(key)].default)
    parent = ".".join(str(key) for key in location[:-1])
    where = f"'{parent}' has" if parent else "there are"
    return f"{where}: {', '.join(group.model_fields)}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
