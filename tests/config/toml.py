"""Documents to change, and how to write them as TOML."""

from __future__ import annotations

import json
from typing import Any


def least() -> dict[str, Any]:
    """The least document that is a configuration, new each time."""
    return {
        "relay": {"ae_title": "RELAY"},
        "listener": [{"endpoint": "tcp:port=11112"}],
        "upstream": {"pacs": {"address": "PACS@pacs.example.org:104"}},
        "pool": {"archive": {"upstreams": ["pacs"]}},
        "route": [{"pool": "archive"}],
    }


def written(document: dict[str, Any]) -> str:
    """The document as TOML, a line for each of its keys."""
    return "".join(f"{_text(key)} = {_value(value)}\n" for key, value in document.items())


def _value(value: object) -> str:
    match value:
        case dict():
            inside = ", ".join(f"{_text(key)} = {_value(each)}" for key, each in value.items())
            return f"{{ {inside} }}"
        case list():
            return f"[{', '.join(map(_value, value))}]"
        case str():
            return _text(value)
        case bool():
            return str(value).lower()
        case _:
            return str(value)


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
