"""A place to send requests to: Keycloak itself, or Cambio in front of it, under the same public name."""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import urlencode

import http1
from http1 import Answer, Headers

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Peer:
    """A listener and the public authority (`Host`) that requests name.

    Keycloak's issuer follows `Host`. So requests that go straight to it name Cambio's authority: then a token
    means the same on both ways, and answers can be compared byte for byte.
    """

    address: tuple[str, int]
    authority: str
    # The path below which Keycloak stands, and what a proxy in front adds to each request.
    prefix: str = ""
    added: tuple[tuple[str, str], ...] = ()

    @property
    def origin(self) -> str:
        return f"http://{self.authority}"

    def issuer(self, realm: str) -> str:
        return f"{self.origin}{self.prefix}/realms/{realm}"

    def send(
        self,
        method: str,
        target: str,
        headers: Headers | None = None,
        body: bytes = b"",
        timeout: float = 20.0,
    ) -> Answer:
        """One request on a connection of its own."""
        fields: Headers = [("Host", self.authority), ("Connection", "close"), *self.added, *(headers or [])]
        if body or method in ("POST", "PUT"):
            fields.append(("Content-Length", str(len(body))))
        with http1.Connection(self.address, timeout) as connection:
            connection.send(http1.render(method, self.prefix + target, fields, body))
            return connection.answer(head_only=method == "HEAD")

    def get(self, target: str, headers: Headers | None = None) -> Answer:
        return self.send("GET", target, headers)

    def form(
        self, target: str, form: list[tuple[str, str]], headers: Headers | None = None, timeout: float = 20.0
    ) -> Answer:
        """POST a form. Its fields keep their order, and may repeat."""
        return self.send(
            "POST",
            target,
            [("Content-Type", FORM), *(headers or [])],
            urlencode(form).encode(),
            timeout=timeout,
        )

    def json(self, method: str, target: str, document: object, headers: Headers | None = None) -> Answer:
        body = json.dumps(document).encode()
        return self.send(method, target, [("Content-Type", "application/json"), *(headers or [])], body)


def parsed(answer: Answer) -> dict:
    """The JSON object in an answer's body."""
    value = json.loads(answer.body)
    assert isinstance(value, dict), value
    return value
