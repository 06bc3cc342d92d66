"""The ways in which one exchange request can be told differently, one idea each, in families.

Pairs are made across families only.
"""

from __future__ import annotations

from mutations.authentication import AUTHENTICATIONS
from mutations.change import Mutation
from mutations.content import BODIES, CODINGS, TYPES, types
from mutations.fields import FIELDS
from mutations.line import METHODS, PATHS, TARGETS, method, path
from mutations.wire import CONNECTIONS, FRAMINGS, HEADERS, HTTP1_HEADERS, line


def all_mutations() -> list[Mutation]:
    """Every mutation, in a fixed order."""
    table = [Mutation("path", name, path(change), strong) for name, change, strong in PATHS]
    table += [Mutation("method", name, method(name)) for name in METHODS]
    table += [Mutation("type", name, types(*values), strong) for name, values, strong in TYPES]
    table += [Mutation("body", name, apply, strong) for name, apply, strong in BODIES]
    table += [Mutation("coding", name, apply, strong) for name, apply, strong in CODINGS]
    table += [Mutation("fields", name, apply, strong) for name, apply, strong in FIELDS]
    table += [
        Mutation("header", name, line(*lines), strong, h1_only=name in HTTP1_HEADERS)
        for name, lines, strong in HEADERS
    ]
    table += [Mutation("framing", name, apply, strong, h1_only=True) for name, apply, strong in FRAMINGS]
    table += [Mutation("connection", name, apply, h1_only=True) for name, apply in CONNECTIONS]
    table += [Mutation("target", name, apply, strong, h1_only=True) for name, apply, strong in TARGETS]
    table += [Mutation("authentication", name, apply, strong) for name, apply, strong in AUTHENTICATIONS]
    return table
