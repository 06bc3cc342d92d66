"""Big and deep inputs: whatever one request contains, it costs little, and others do not wait."""

import base64
import json
import time

import gate as gates
import wire
from harness import Watch, works

MIB = 1 << 20
#: CPU seconds of one request of 1 MiB at most, in an optimised build. 1 MiB of anything is read, searched and perhaps hashed.
MOST_CPU = 0.1
REQUESTS = 8


def fill(unit, size=MIB - 400):
    return (unit * (size // len(unit) + 1))[:size]


def form(**fields):
    return gates.encode({"client_id": "front-end-app", "client_secret": gates.CLIENT_SECRET, **fields})


def token(claims, header=None):
    """A token whose claims are text, signed by nobody."""
    parts = [json.dumps(header or {"alg": "HS256", "typ": "JWT"}).encode(), claims]
    return ".".join(gates.base64url(part) for part in parts) + "." + gates.base64url(b"x" * 32)


def exchange(subject, **more):
    return gates.encode(gates.exchange_form(subject, **more))


OPEN = b"a=b&grant_type=password&x="
BASIC = base64.b64encode(b"a" * 40_000 + b":b").decode()
INTROSPECT = gates.TOKEN + "/introspect"
DEEP = b'{"iss":"' + gates.PARTNER.encode() + b'","a":' + b"[" * 20_000 + b"]" * 20_000 + b"}"
WIDE = json.dumps({"iss": gates.PARTNER, **{f"c{number}": number for number in range(4000)}}).encode()

#: Name → path, body, headers.
CASES = {
    "1 MiB of ey": (gates.TOKEN, OPEN + fill(b"ey"), []),
    "1 MiB of ey, dots": (gates.TOKEN, OPEN + fill(b"eyJ.", MIB - 400), []),
    "1 MiB of ey at introspection": (INTROSPECT, b"token=" + fill(b"ey"), []),
    "1 MiB of eyJ…. at introspection": (INTROSPECT, b"token=" + fill(b"eyJhbGciOiJub25lIn0."), []),
    "headers of tokens at introspection": (INTROSPECT, b"token=" + fill(b"ey" + b"A" * 2040 + b"."), []),
    "1 MiB of ey at revocation": (gates.TOKEN.replace("/token", "/revoke"), b"token=" + fill(b"ey"), []),
    "1 MiB of ey at userinfo": (
        gates.TOKEN.replace("/token", "/userinfo"),
        b"access_token=" + fill(b"ey"),
        [],
    ),
    "escapes of escapes": (gates.TOKEN, OPEN + fill(b"%25"), []),
    "deep escapes": (gates.TOKEN, OPEN + b"%" + fill(b"25") + b"41", []),
    "escapes of another kind": (gates.TOKEN, OPEN + fill(b"\\u005c"), []),
    "HTML escapes": (gates.TOKEN, OPEN + fill(b"&#x26;"), []),
    "names of the grant": (gates.TOKEN, OPEN + fill(b"&grant_type="), []),
    "the grant and no name": (gates.TOKEN, OPEN + fill(gates.EXCHANGE.encode() + b","), []),
    "parts": (gates.TOKEN, OPEN + fill(b"\n\n" + gates.EXCHANGE.encode()), []),
    "parts with heads": (gates.TOKEN, fill(b"--x\nname=grant_type\n\n" + b"urn:x:grant-type:"), []),
    "many parameters": (gates.TOKEN, fill(b"a=b&") + b"grant_type=password", []),
    "many names": (gates.TOKEN, b"&".join(b"n%d=v" % n for n in range(999)) + b"&grant_type=password", []),
    "many audiences": (gates.TOKEN, exchange(gates.subject_token()) + fill(b"&audience=a", 200_000), []),
    "many scopes": (
        gates.TOKEN,
        exchange(gates.subject_token(), scope=" ".join(f"s{n}" for n in range(90_000))),
        [],
    ),
    "one long scope": (gates.TOKEN, exchange(gates.subject_token(), scope="s" * 900_000), []),
    "deep claims": (gates.TOKEN, exchange(token(DEEP)), []),
    "wide claims": (gates.TOKEN, exchange(token(WIDE)), []),
    "a token of 1 MiB": (gates.TOKEN, exchange("ey" * 450_000), []),
    "a token of dots": (gates.TOKEN, exchange("." * 60_000), []),
    "a long assertion": (gates.TOKEN, exchange(gates.subject_token(), client_assertion="ey" * 400_000), []),
    "many assertions' dots": (
        gates.TOKEN,
        gates.encode({"grant_type": "password", "client_assertion": "eyJ" + ".eyJ" * 200_000}),
        [],
    ),
    "deep JSON": (gates.TOKEN, fill(b'{"a":', MIB - 400), [("Content-Type", "application/json")]),
    "lists of JSON": (gates.TOKEN, fill(b"[", MIB - 400), [("Content-Type", "application/json")]),
    "a form elsewhere": ("/realms/corp/login", OPEN + fill(b"ey"), []),
    "escapes elsewhere": ("/realms/corp/login", OPEN + fill(b"%2525"), []),
    "wide characters": (gates.TOKEN, fill(b"\0g\0r\0a\0n\0t"), []),
    "quotes": (gates.TOKEN, OPEN + fill(b'"\\"'), []),
}
#: Heads of nearly 64 KiB: path, headers.
HEADS = {
    "a long path": ("/realms/corp/" + "a" * 60_000, []),
    "a path of escapes": ("/realms/corp/" + "%25" * 20_000, []),
    "a deep path": ("/realms/corp" + "/x/.." * 12_000, []),
    "a path of parameters": ("/realms/corp" + ";a=b/" * 12_000, []),
    "a path of names": ("/realms/corp" + "/protocol/openid-connect/token" * 2_000, []),
    "a long query": ("/realms/corp/account?" + "grant_type=" * 5_000, []),
    "900 headers": ("/realms/corp/account", [(f"x-{n}", "v" * 50) for n in range(900)]),
    "a long cookie": ("/realms/corp/account", [("Cookie", "a=" + "b" * 60_000)]),
    "many proxies": ("/realms/corp/account", [("X-Forwarded-For", "1.2.3.4," * 7_000)]),
    "a long Forwarded": ("/realms/corp/account", [("Forwarded", 'for="[::1]";' * 5_000)]),
    "a long Via": ("/realms/corp/account", [("Via", "1.1 a," * 9_000)]),
    "a long Basic": (gates.TOKEN, [("Authorization", "Basic " + BASIC)]),
    "a long proof": (gates.TOKEN, [("DPoP", "ey" * 25_000)]),
    "a long Accept": ("/realms/corp/account", [("Accept", "a/b;q=0.1," * 6_000)]),
    "a long media type": ("/realms/corp/account", [("Content-Type", "application/x;" + "a=b;" * 14_000)]),
    "a long Connection": ("/realms/corp/account", [("Connection", "x-a," * 14_000)]),
}
#: Answers of the identity provider.
ANSWERS = {"a deep and large answer": ("/realms/corp/big-json", [])}


def run(world):
    with world.klass("big and deep inputs") as row:
        for threads in world.threads[:1] if world.smoke else world.threads:
            with (
                gates.Gate(world, threads=threads) as gate,
                Watch(world, row, f"all, threads: {threads}", gate),
            ):
                for name, (path, body, headers) in CASES.items():
                    case = f"{name}, threads: {threads}"
                    kind = [] if headers else [("Content-Type", wire.FORM)]
                    one(world, row, case, gate, ("POST", path, body, [*kind, *headers]))
                for name, (path, headers) in {**HEADS, **ANSWERS}.items():
                    method = "POST" if path == gates.TOKEN else "GET"
                    one(world, row, f"{name}, threads: {threads}", gate, (method, path, b"", headers))
                works(world, row, f"all, threads: {threads}", gate)


def settle(gate):
    """Waits until the gate has nothing more to do: what one request costs is not the next one's."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        before = gate.cpu()
        time.sleep(0.1)
        if gate.cpu() - before < 0.03:
            return


def one(world, row, case, gate, request):
    """Sends one request some times, and looks at the CPU that each took."""
    row.cases += 1
    method, path, body, headers = request
    before, start = gate.cpu(), time.monotonic()
    count = 2 if world.smoke else REQUESTS
    for _ in range(count):
        answer = wire.request(gate.port, method, path, body, headers, timeout=20)
        row.tried += 1
        if not answer.status:
            world.fail(row, case, "no answer")
            settle(gate)
            break
        if answer.status == 200 and gates.EXCHANGE.encode() in body and b"access_token" in answer.body:
            told = answer.json().get("issued_token_type")
            if told is None and path == gates.TOKEN and b"grant_type=password" not in body:
                world.fail(row, case, "an exchange was passed to the identity provider")
    # The watch's own requests cost a little, too: two percent of a core.
    cost = (gate.cpu() - before - 0.02 * (time.monotonic() - start)) / count
    if cost > MOST_CPU * world.patience:
        world.fail(row, case, f"one request took {cost:.2f} s of CPU")
