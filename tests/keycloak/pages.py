"""What the tests of the five systems' pages share: the page's own curl, and realms by those systems' names."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable

import oidc
import secrecy
from admin import Admin
from gate import Gate
from http1 import Answer
from peer import Peer, parsed
from realms import Client, User

# What RFC 6749 lets an error_description be made of.
DESCRIPTION = {chr(code) for code in (*range(0x20, 0x22), *range(0x23, 0x5C), *range(0x5D, 0x7F))}


def curl(gate: Gate, *arguments: str) -> Answer:
    """Runs curl with a page's arguments. The page's host is looked for at the gate's address, and nowhere else."""
    host, port = gate.address
    argv = ["curl", "-sS", "-i", "--max-time", "20", "--connect-to", f"::{host}:{port}", *arguments]
    done = subprocess.run(argv, capture_output=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr.decode()
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    return noted(Answer(int(status.split()[1]), headers, body))


def noted(answer: Answer) -> Answer:
    """The same answer; its tokens are looked for in the logs later on."""
    if answer.status == 200 and "json" in (answer.header("Content-Type") or ""):
        secrecy.note(parsed(answer))
    return answer


def told(answer: Answer) -> tuple[int, str | None, str | None]:
    """Status, error and description of a refusal."""
    document = parsed(answer)
    assert "access_token" not in document, document
    return answer.status, document.get("error"), document.get("error_description")


def token(peer: Peer, realm: str, client: Client, user: User, scope: str = "openid") -> dict:
    """What a user gets at a client: by password, so that a test is about what comes after the login."""
    return oidc.login(peer, client, user, realm=realm, scope=scope)


def create(admin: Admin, document: dict) -> None:
    """Makes a realm; its secrets must never be written anywhere."""
    admin.must("POST", "", document)
    for client in document["clients"]:
        if client["secret"]:
            secrecy.note_value(client["secret"])
    for user in document["users"]:
        secrecy.note_value(user["credentials"][0]["value"])


def add_scopes(admin: Admin, realm: str, scopes: Iterable[str], *clients: str) -> None:
    """Client scopes that a realm does not have by itself, for these clients to ask for."""
    for name in scopes:
        attributes = {"include.in.token.scope": "true"}
        document = {"name": name, "protocol": "openid-connect", "attributes": attributes}
        admin.must("POST", f"/{realm}/client-scopes", document)
    found = {scope["name"]: scope["id"] for scope in admin.read(f"/{realm}/client-scopes")}
    for client in clients:
        path = f"/{realm}/clients/{admin.client(realm, client)['id']}/optional-client-scopes"
        for name in scopes:
            admin.must("PUT", f"{path}/{found[name]}")
