"""The one question of every differential run: is an exchange performed through Cambio that was not permitted?"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import http1
import http2
import oidc
from admin import Admin
from http1 import Answer, NoAnswer
from peer import Peer
from shapes import Shape

# Seconds that one shape may take; a few are requests that their reader waits on for more.
PATIENCE = 3.0

# Shapes at a time. Most of the time of a shape is waiting for an answer more.
THREADS = 8


@dataclass(frozen=True)
class Outcome:
    shape: Shape
    answers: list[Answer]

    @property
    def performed(self) -> bool:
        return any(oidc.is_exchange_success(answer) for answer in self.answers)

    @property
    def statuses(self) -> str:
        return " ".join(str(answer.status) for answer in self.answers) or "no answer"


class Record(Protocol):
    """What the server behind Cambio says itself about the exchanges that it performed."""

    def forget(self) -> None: ...

    def performed(self) -> list: ...


@dataclass(frozen=True)
class Events:
    """Keycloak's record: the events of corp. Each call logs in, because an administrator's token lives for a minute."""

    keycloak: Peer

    def forget(self) -> None:
        Admin(self.keycloak).forget_exchanges("corp")

    def performed(self) -> list:
        return Admin(self.keycloak).exchanges("corp")


By = Callable[[tuple[str, int], Shape], Outcome]


def by_h1(address: tuple[str, int], shape: Shape) -> Outcome:
    linger = 0.3 if shape.draft.hidden else 0.01
    return Outcome(shape, http1.all_answers(address, shape.draft.render(), PATIENCE, linger))


def by_h2(address: tuple[str, int], shape: Shape) -> Outcome:
    try:
        with http2.Connection(address, PATIENCE) as connection:
            return Outcome(shape, [connection.ask(*http2.headers_of(shape.draft))])
    except NoAnswer:
        return Outcome(shape, [])


def ask_all(by: By, address: tuple[str, int], all_shapes: list[Shape]) -> list[Outcome]:
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(lambda shape: by(address, shape), all_shapes))


def assert_none_performed(by: By, through: Peer, record: Record, all_shapes: list[Shape]) -> list[Outcome]:
    """Ask Cambio, and ask the server behind whether an exchange was performed whose answer nobody saw."""
    record.forget()
    ours = ask_all(by, through.address, all_shapes)
    assert [f"{outcome.shape.name} ({outcome.statuses})" for outcome in ours if outcome.performed] == []
    assert record.performed() == []
    return ours
