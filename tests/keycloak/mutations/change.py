"""What a mutation is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from drafts import Draft

Change = Callable[[Draft], Draft]


@dataclass(frozen=True)
class Mutation:
    """One idea of a request told differently. `strong` marks the ones that Keycloak performs alone, or that matter most
    beside another one: pairs are made of these."""

    family: str
    name: str
    apply: Change
    strong: bool = False
    # HTTP/1 only: framing, request line and connection tricks that HTTP/2 has no place for.
    h1_only: bool = False
