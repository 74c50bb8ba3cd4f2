"""A configuration shown to people and editors: as YAML with every default, as JSON schema."""

from __future__ import annotations

from typing import Any

import yaml

from housecarl.config import Config
from housecarl.secret import NAMING


def dump(config: Config) -> str:
    """The configuration as YAML that loads to the same, defaults included, no secret's value."""
    data = config.model_dump(mode="json", by_alias=True, exclude_none=True)
    data["modules"] = _hidden(data["modules"])
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)


def schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of the configuration, for editors that check while one types."""
    found = Config.model_json_schema(by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **found,
        "title": "housecarl.yaml",
    }


def _hidden(value: Any) -> Any:
    """A copy without the values of secrets that stand in module settings; references stay."""
    if isinstance(value, list):
        return [_hidden(part) for part in value]
    if not isinstance(value, dict):
        return value
    return {
        key: "..." if NAMING.search(key) and not isinstance(part, dict | list) else _hidden(part)
        for key, part in value.items()
    }
