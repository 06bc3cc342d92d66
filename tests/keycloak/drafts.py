"""One token request in parts, so that a mutation changes one part and leaves the others alone."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import quote_plus

import oidc
from peer import FORM
from realms import Client

Fields = tuple[tuple[str, str], ...]
Lines = tuple[tuple[str, str], ...]


def encode_fields(fields: Fields) -> bytes:
    """The ordinary form encoding."""
    return "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in fields).encode()


def by_length(body: bytes) -> tuple[Lines, bytes]:
    """The ordinary framing."""
    return (("Content-Length", str(len(body))),), body


def by_body(draft: Draft) -> Draft:
    """The client's credentials in the form (client_secret_post)."""
    return replace(draft, fields=(*oidc.credentials(draft.client), *draft.fields))


def by_basic(draft: Draft) -> Draft:
    """The client's credentials in the header (client_secret_basic)."""
    return replace(draft, authorization=(oidc.basic(draft.client),))


@dataclass(frozen=True)
class Draft:
    """A request before it is bytes. `render` gives HTTP/1, `pseudo_headers` and `lines` serve HTTP/2."""

    client: Client
    authority: str
    target: str
    fields: Fields
    method: str = "POST"
    version: str = "HTTP/1.1"
    hosts: tuple[str, ...] | None = None
    content_types: tuple[str, ...] = (FORM,)
    authenticate: Callable[[Draft], Draft] = by_body
    authorization: Lines = ()
    lines: Lines = ()
    encode: Callable[[Fields], bytes] = encode_fields
    recode: Callable[[bytes], bytes] = lambda body: body
    frame: Callable[[bytes], tuple[Lines, bytes]] = by_length
    wrap: Callable[[bytes], bytes] = lambda raw: raw
    # Draws its verdict from a second request on the same connection, for which the reader has to wait.
    hidden: bool = False

    def body(self) -> bytes:
        """The body, coded but not framed."""
        return self.recode(self.encode(self.fields))

    def head(self) -> Lines:
        """The header lines apart from Host and framing."""
        types = tuple(("Content-Type", value) for value in self.content_types)
        return (*types, *self.authorization, *self.lines)

    def authenticated(self) -> Draft:
        return self.authenticate(self)

    def render(self) -> bytes:
        """The bytes of an HTTP/1 request."""
        ready = self.authenticated()
        framing, wire = ready.frame(ready.body())
        hosts = (ready.authority,) if ready.hosts is None else ready.hosts
        lines = [("Host", host) for host in hosts]
        lines += [*ready.head(), *framing]
        if not any(name.lower() == "connection" for name, _ in lines):
            lines.append(("Connection", "close"))
        head = f"{ready.method} {ready.target} {ready.version}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in lines) + "\r\n"
        return ready.wrap(head.encode("latin-1") + wire)


def multipart(fields: Fields, boundary: str = "cut") -> bytes:
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields
    ]
    return ("".join(parts) + f"--{boundary}--\r\n").encode()


def chunked(body: bytes, size: int = 0, extension: str = "", trailer: str = "") -> bytes:
    """The body in chunks of `size` bytes (one chunk when 0)."""
    step = size or max(len(body), 1)
    pieces = [body[start : start + step] for start in range(0, len(body), step)]
    wire = b"".join(f"{len(piece):x}{extension}\r\n".encode() + piece + b"\r\n" for piece in pieces)
    return wire + f"0\r\n{trailer}\r\n".encode()


def basic_value(joined: str) -> str:
    return base64.b64encode(joined.encode()).decode()
