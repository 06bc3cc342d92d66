"""Every exchange leaves exactly one audit line, on every exit; nothing else leaves any."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

import http1
import names
import oidc
from admin import Admin
from gate import Gate, Gates, Setup, audience, permission
from http1 import Answer
from peer import FORM, Peer, parsed
from process import poll
from realms import ALICE, FRONT_END, STRANGER, Client
from server import Keycloak


@pytest.fixture(scope="module")
def own(keycloak: Keycloak, gates: Gates) -> Iterator[Gate]:
    """A gate that nobody else asks, so that its lines can be counted."""
    audiences = {
        "back-end-api": audience("back-end-api", permission("front-end-app")),
        "other-api": audience("other-api", permission("stranger-app"), issuance="forward"),
    }
    gate = gates.start("audit", keycloak.address, Setup(audiences))
    yield gate
    gate.stop()


@pytest.fixture(scope="module")
def token(own: Gate) -> str:
    return oidc.login(own.peer, FRONT_END, ALICE)["access_token"]


def _exchange(
    to: str | None = "back-end-api", client: Client = FRONT_END, **more: str
) -> Callable[[Peer, str], Answer]:
    return lambda peer, token: oidc.exchange(peer, client, token, to, **more)


def _form(
    change: Callable[[oidc.Form], oidc.Form], target: str = "", headers: http1.Headers | None = None
) -> Callable[[Peer, str], Answer]:
    def ask(peer: Peer, token: str) -> Answer:
        fields = change(oidc.exchange_form(FRONT_END, token, "back-end-api"))
        return peer.form(target or oidc.endpoint("corp"), fields, headers)

    return ask


def _typed(media_type: str) -> Callable[[Peer, str], Answer]:
    def ask(peer: Peer, token: str) -> Answer:
        body = "&".join(
            f"{name}={oidc.quote_plus(value)}"
            for name, value in oidc.exchange_form(FRONT_END, token, "back-end-api")
        )
        return peer.send("POST", oidc.endpoint("corp"), [("Content-Type", media_type)], body.encode())

    return ask


# Each with the reason that its line gives; None where the exchange is allowed.
EXITS: list[tuple[str, Callable[[Peer, str], Answer], str | None]] = [
    ("allowed", _exchange(), None),
    ("no permission", _exchange("other-api"), "client_not_permitted"),
    ("another client's token", _exchange("back-end-api", STRANGER), "subject_token_audience"),
    ("unknown audience", _exchange("nothing-api"), "audience_unknown"),
    ("no audience", _exchange(None), "audience_missing"),
    ("scope", _exchange(scope="zzz"), "scope_not_permitted"),
    ("actor", _exchange(actor_token="x", actor_token_type=oidc.ACCESS_TOKEN), "actor_token_unsupported"),
    ("resource", _exchange(resource="https://elsewhere.test"), "resource_unknown"),
    ("refresh token", _exchange(requested_token_type=oidc.REFRESH_TOKEN), "refresh_token_refused"),
    ("garbage", _exchange(subject_token="garbage"), "subject_token_malformed"),
    ("subject token type", _exchange(subject_token_type=oidc.JWT), "subject_token_type_unsupported"),
    ("unknown parameter", _exchange(nonsense="x"), "parameter_unknown"),
    ("wrong secret", _exchange(client_secret="wrong"), "upstream_refused"),
    ("a parameter twice", _form(lambda fields: [*fields, ("subject_token", "x")]), "parameter_repeated"),
    ("two credentials", _form(lambda fields: fields, headers=[oidc.basic(FRONT_END)]), "credentials_ambiguous"),
    ("no client", _form(lambda fields: [pair for pair in fields if not pair[0].startswith("client_")]), "client_missing"),
    ("requested subject", _exchange(requested_subject="bob"), "door_closed"),
]  # fmt: skip

# Refused before anybody knows whether it is an exchange; a line about them may be there, but never two.
BEFORE: list[tuple[str, Callable[[Peer, str], Answer]]] = [
    ("a query", _form(lambda fields: fields, oidc.endpoint("corp") + "?x=y")),
    ("a trailing slash", _form(lambda fields: fields, oidc.endpoint("corp") + "/")),
    ("another path", _form(lambda fields: fields, "/realms/corp/nothing")),
    ("another realm", _form(lambda fields: fields, oidc.endpoint("master"))),
    ("another media type", _typed("text/plain")),
    ("another charset", _typed(FORM + "; charset=utf-16")),
    ("a coding", _form(lambda fields: fields, headers=[("Content-Encoding", "gzip")])),
]

OTHERS: list[tuple[str, Callable[[Peer, str], Answer]]] = [
    ("a page", lambda peer, token: peer.get("/realms/corp/account/")),
    ("discovery", lambda peer, token: peer.get("/realms/corp/.well-known/openid-configuration")),
    ("certs", lambda peer, token: peer.get(oidc.endpoint("corp", "certs"))),
    ("userinfo", lambda peer, token: peer.get(oidc.endpoint("corp", "userinfo"), oidc.bearer(token))),
    ("a login", lambda peer, token: peer.form(oidc.endpoint("corp"), oidc.password_form(FRONT_END, ALICE))),
    ("a wrong login", lambda peer, token: peer.form(oidc.endpoint("corp"), [("grant_type", "password")])),
    ("a form elsewhere", lambda peer, token: peer.form("/realms/corp/nothing", [("a", "b")])),
]


def _added(gate: Gate, ask: Callable[[Peer, str], Answer], token: str) -> tuple[Answer, list[dict]]:
    """The lines that one request added. A later exchange's line, which comes after them, says that they are all there."""
    before = len(gate.audit())
    answer = ask(gate.peer, token)
    assert oidc.exchange(gate.peer, FRONT_END, token, "back-end-api").status == 200
    mark = _lines_of_the_last_exchange(gate, before)
    return answer, mark


def _lines_of_the_last_exchange(gate: Gate, before: int) -> list[dict]:
    def there() -> bool:
        lines = gate.audit()[before:]
        return bool(lines) and lines[-1].get(names.AUDIT_REASON) is None

    poll("the marking exchange has its line", there, deadline=5)
    return gate.audit()[before:-1]


@pytest.mark.parametrize(("name", "ask", "reason"), EXITS, ids=[name for name, *_ in EXITS])
def test_an_exchange_leaves_one_line_with_its_reason(
    own: Gate, token: str, name: str, ask: Callable[[Peer, str], Answer], reason: str | None
) -> None:
    if reason is None:
        before = len(own.audit())
        assert ask(own.peer, token).status == 200
        poll("the line is there", lambda: len(own.audit()) > before, deadline=5)
        (line,) = own.audit()[before:]
    else:
        answer, lines = _added(own, ask, token)
        assert answer.status >= 400
        assert len(lines) == 1, lines
        (line,) = lines
    assert line.get(names.AUDIT_REASON) == reason
    assert line[names.AUDIT_OUTCOME]


@pytest.mark.parametrize(("name", "ask"), BEFORE, ids=[name for name, _ in BEFORE])
def test_a_request_that_could_be_an_exchange_leaves_no_more_than_one_line(
    own: Gate, token: str, name: str, ask: Callable[[Peer, str], Answer]
) -> None:
    answer, lines = _added(own, ask, token)
    assert answer.status >= 400
    assert len(lines) <= 1, lines
    assert all(line[names.AUDIT_REASON] for line in lines)


@pytest.mark.parametrize(("name", "ask"), OTHERS, ids=[name for name, _ in OTHERS])
def test_what_is_no_exchange_leaves_no_line(
    own: Gate, token: str, name: str, ask: Callable[[Peer, str], Answer]
) -> None:
    _, lines = _added(own, ask, token)
    assert lines == []


def test_the_line_says_who_what_for_whom(own: Gate, token: str) -> None:
    before = len(own.audit())
    assert oidc.exchange(own.peer, FRONT_END, token, "back-end-api").status == 200
    poll("the line is there", lambda: len(own.audit()) > before, deadline=5)
    line = str(own.audit()[-1])
    for said in ("front-end-app", "back-end-api", oidc.claims_of(token)["sub"], "backend_user", "corp"):
        assert said in line, f"{said} is not in {line}"
    assert "default-roles-corp" in line, "the roles before are told too"


def test_the_line_leads_to_keycloaks_own_event(own: Gate, admin: Admin, token: str) -> None:
    """Whoever has the token, the audit line or Keycloak's event finds the other two by one id."""
    admin.forget_exchanges("corp")
    before = len(own.audit())
    answer = oidc.exchange(own.peer, FRONT_END, token, "back-end-api")
    assert answer.status == 200
    poll("the line is there", lambda: len(own.audit()) > before, deadline=5)
    line = own.audit()[-1]
    (event,) = admin.exchanges("corp")
    issued = oidc.claims_of(parsed(answer)["access_token"])
    assert line[names.AUDIT_ISSUED_JTI] == issued["jti"] == event["details"]["token_id"]
    assert event["clientId"] == line[names.AUDIT_CLIENT]
    assert [event["details"]["audience"]] == line[names.AUDIT_AUDIENCE]


def test_a_refusals_correlation_id_is_in_its_line(own: Gate, token: str) -> None:
    answer, (line,) = _added(own, _exchange("other-api"), token)
    assert answer.header(names.CORRELATION_ID) == line[names.AUDIT_ID]


def test_an_exchange_whose_caller_hangs_up_leaves_one_line(own: Gate, token: str) -> None:
    before = len(own.audit())
    form = oidc.exchange_form(FRONT_END, token, "back-end-api")
    body = "&".join(f"{name}={oidc.quote_plus(value)}" for name, value in form).encode()
    head = [("Host", own.authority), ("Content-Type", FORM), ("Content-Length", str(len(body)))]
    head += [("Expect", "100-continue")]
    with http1.Connection(own.address) as connection:
        # Cambio asks for the body only once the request is being judged; who hangs up before that asked for nothing.
        connection.send(http1.render("POST", oidc.endpoint("corp"), head, b""))
        assert connection.interim() == 100
        connection.send(body)
    poll("the line is there", lambda: len(own.audit()) > before, deadline=10)
    _, lines = _added(own, lambda peer, token: peer.get("/realms/corp"), token)
    assert len(own.audit()) == before + 2, lines


def test_metrics_count_what_audit_lines_tell(own: Gate, token: str) -> None:
    for ask in (_exchange(), _exchange("other-api"), _exchange("nothing-api")):
        ask(own.peer, token)
    lines = sum(line[names.AUDIT_EVENT] == names.EXCHANGE_EVENT for line in own.audit())
    counted = sum(value for name, value in own.metrics().items() if name.startswith(names.EXCHANGES + "{"))
    assert counted == lines
    assert not any("token" in name and "eyJ" in name for name in own.metrics())
