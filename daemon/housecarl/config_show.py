"""A configuration shown to people and editors: as YAML with every default, as JSON schema."""

from __future__ import annotations

from typing import Any

import yaml

from housecarl.config import Config
from housecarl.secret import NAMING, Secret


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


def _hidden(value: Any, *, secret: bool = False) -> Any:
    """A copy of module settings without what stands below the name of a secret; references stay."""
    if isinstance(value, list):
        return [_hidden(part, secret=secret) for part in value]
    if isinstance(value, dict) and (not secret or value.keys() <= Secret.model_fields.keys()):
        return {
            key: _hidden(part, secret=NAMING.search(key) is not None) for key, part in value.items()
        }
    return "..." if secret else value
