"""The configuration: a TOML file in; frozen classes out, or all mistakes at once."""

from __future__ import annotations

from .mistakes import ConfigurationError, Mistake
from .model import (
    Address,
    Allow,
    AssociationPolicy,
    ClientTLS,
    Commitment,
    Configuration,
    Failover,
    Identity,
    Listener,
    Log,
    Pool,
    RelaySection,
    Route,
    ServerTLS,
    Upstream,
)
from .reading import load, parse

__all__ = [
    "Address",
    "Allow",
    "AssociationPolicy",
    "ClientTLS",
    "Commitment",
    "Configuration",
    "ConfigurationError",
    "Failover",
    "Identity",
    "Listener",
    "Log",
    "Mistake",
    "Pool",
    "RelaySection",
    "Route",
    "ServerTLS",
    "Upstream",
    "load",
    "parse",
]
