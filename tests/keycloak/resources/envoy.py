"""A resource server written by others: Envoy's filter jwt_authn verifies tokens. It knows no discovery, so whoever sets it
up reads where the keys are; it keeps them for five minutes.

Arguments: issuer, audience. Each line of standard input is a token, which is sent to Envoy as a caller does; the answer is
a line: "ok" and the claims, or "no" and why.
"""

from __future__ import annotations

import base64
import http.client
import json
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[1]))
from process import free_port

TYPES = "type.googleapis.com/envoy.extensions.filters"


def main(issuer: str, audience: str) -> None:
    with urllib.request.urlopen(f"{issuer}/.well-known/openid-configuration", timeout=20) as answer:
        discovery = json.load(answer)
    assert discovery["issuer"] == issuer, discovery["issuer"]
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "envoy.json"
        file.write_text(json.dumps(configuration(port, issuer, audience, discovery["jwks_uri"])))
        argv = [
            Path(sys.executable).parent / "envoy",
            "-c",
            file,
            "--disable-hot-restart",
            "--concurrency",
            "1",
            "-l",
            "error",
        ]
        envoy = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=sys.stderr)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        try:
            wait_for(envoy, port)
            for line in sys.stdin:
                print(verify(port, line.strip()), flush=True)
        finally:
            envoy.kill()
            envoy.wait(5)


def wait_for(envoy: subprocess.Popen, port: int) -> None:
    until = time.monotonic() + 20
    while verify(port, "nonsense") is None:
        assert envoy.poll() is None, f"envoy ended, status {envoy.returncode}"
        assert time.monotonic() < until, "envoy does not listen"
        time.sleep(0.02)


def verify(port: int, token: str) -> str | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", "/", headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        text = answer.read().decode()
    except ConnectionRefusedError:
        return None
    finally:
        connection.close()
    if answer.status != 200:
        return f"no {answer.status} {text}".replace("\n", " ")
    payload = answer.headers["x-payload"]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return f"ok {json.dumps(claims)}"


def configuration(port: int, issuer: str, audience: str, jwks: str) -> dict:
    """One listener: jwt_authn, then an answer that shows the claims which the filter would give to the server behind."""
    keys = urlsplit(jwks)
    provider = {
        "issuer": issuer,
        "audiences": [audience],
        "forward_payload_header": "x-payload",
        "remote_jwks": {
            "http_uri": {"uri": jwks, "cluster": "issuer", "timeout": "10s"},
            "cache_duration": "300s",
        },
    }
    jwt_authn = {
        "@type": f"{TYPES}.http.jwt_authn.v3.JwtAuthentication",
        "providers": {"issuer": provider},
        "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "issuer"}}],
    }
    shown = [{"header": {"key": "x-payload", "value": "%REQ(x-payload)%"}}]
    route = {
        "match": {"prefix": "/"},
        "direct_response": {"status": 200},
        "response_headers_to_add": shown,
    }
    manager = {
        "@type": f"{TYPES}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [
            {"name": "jwt_authn", "typed_config": jwt_authn},
            {"name": "router", "typed_config": {"@type": f"{TYPES}.http.router.v3.Router"}},
        ],
    }
    listener = {
        "address": _address("127.0.0.1", port),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    endpoint = {"endpoint": {"address": _address(keys.hostname or "", keys.port or 80)}}
    cluster = {
        "name": "issuer",
        "type": "STATIC",
        "load_assignment": {"cluster_name": "issuer", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def _address(host: str, port: int) -> dict:
    return {"socket_address": {"address": host, "port_value": port}}


main(*sys.argv[1:3])
