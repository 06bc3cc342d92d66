"""A real kube-apiserver as an issuer of subject tokens. Arguments: kube-apiserver, etcd, cambio."""

import contextlib
import hashlib
import http.client
import json
import pathlib
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse

KUBE_APISERVER, ETCD, CAMBIO = sys.argv[1:4]
ISSUER = "https://kubernetes.default.svc"
AUDIENCE = "https://sso.example.org"
DEADLINE = 90.0


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until(what, holds):
    until = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < until, f"{what} within {DEADLINE} s"
        time.sleep(0.1)


def start(stack, folder, name, *argv):
    """Starts a program that ends with the stack."""
    with (folder / f"{name}.log").open("wb") as log:
        program = subprocess.Popen([str(one) for one in argv], stdout=log, stderr=log, cwd=folder)

    def end():
        program.terminate()
        program.wait(20)

    stack.callback(end)
    return program


class Cluster:
    """etcd and the API server, on loopback."""

    def __init__(self, stack, folder):
        self.folder, self.port = folder, free_port()
        etcd, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        start(
            stack, folder, "etcd", ETCD, "--data-dir", folder / "etcd", "--listen-client-urls", etcd,
            "--advertise-client-urls", etcd, "--listen-peer-urls", peer,
        )  # fmt: skip
        subprocess.run(["openssl", "genrsa", "-out", folder / "sa.key", "2048"], check=True, capture_output=True)
        (folder / "tokens.csv").write_text("admin-token,admin,admin,system:masters\n")
        start(
            stack, folder, "api", KUBE_APISERVER, f"--etcd-servers={etcd}", f"--service-account-issuer={ISSUER}",
            f"--service-account-key-file={folder / 'sa.key'}", f"--service-account-signing-key-file={folder / 'sa.key'}",
            f"--service-account-jwks-uri={self.url('/openid/v1/jwks')}", f"--cert-dir={folder / 'certs'}",
            f"--secure-port={self.port}", "--bind-address=127.0.0.1", f"--token-auth-file={folder / 'tokens.csv'}",
            "--authorization-mode=RBAC", "--service-cluster-ip-range=10.0.0.0/24",
            "--disable-admission-plugins=ServiceAccount",
        )  # fmt: skip
        self.ca = folder / "certs/apiserver.crt"
        wait_until("the API server", lambda: self.ask("GET", "/readyz")[0] == 200)
        role = "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:service-account-issuer-discovery"
        wait_until("the role for discovery", lambda: self.ask("GET", role)[0] == 200)

    def url(self, path):
        return f"https://127.0.0.1:{self.port}{path}"

    def ask(self, method, path, document=None, token="admin-token"):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10, context=context)
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        with contextlib.closing(connection):
            try:
                connection.request(method, path, json.dumps(document) if document else None, headers)
                answer = connection.getresponse()
                return answer.status, answer.read()
            except OSError:
                return 0, b""

    def token(self, account, *audiences):
        """A token of a service account (TokenRequest); without audiences for the API server itself."""
        accounts = "/api/v1/namespaces/default/serviceaccounts"
        self.ask("POST", accounts, {"metadata": {"name": account}})
        spec = {"expirationSeconds": 600} | ({"audiences": audiences} if audiences else {})
        status, body = self.ask("POST", f"{accounts}/{account}/token", {"spec": spec})
        assert status == 201, body
        return json.loads(body)["status"]["token"]


class Gate:
    """A Cambio that mints for tokens of the cluster. Nothing is upstream of it: `mint` needs nobody else."""

    def __init__(self, stack, folder, issuer, **keys):
        folder.mkdir()
        (folder / "audiences").mkdir()
        self.port, admin, self.audit = free_port(), free_port(), folder / "audit.log"
        subprocess.run([CAMBIO, "keys", "generate", "--dir", folder / "keys"], check=True, capture_output=True)
        secret = "sha256:" + hashlib.sha256(b"batch-secret").hexdigest()
        document = {
            "upstream": {"url": f"http://127.0.0.1:{free_port()}"},
            "listen": {"address": f"127.0.0.1:{self.port}"},
            "admin": {"address": f"127.0.0.1:{admin}"},
            "audit": {"output": "audit.log"},
            "realms": {
                "corp": {
                    "issuer": f"{AUDIENCE}/realms/corp",
                    "subjectIssuers": ["corp", "cluster"],
                    "signingKeys": "keys",
                    "clients": {"batch": [{"method": "client_secret", "secretHash": secret}]},
                }
            },
            "issuers": {
                "cluster": {
                    "issuer": {"url": ISSUER, "audiences": [AUDIENCE], **issuer},
                    "accessTokens": {"expression": "'kubernetes.io' in claims"},
                    **keys,
                }
            },
        }
        granted = {"clients": ["batch"], "issuers": ["cluster"]}
        audience = {"audience": "api", "owner": "team", "issuance": "mint", "permissions": [granted]}
        (folder / "cambio.yaml").write_text(json.dumps(document))
        (folder / "audiences/api.yaml").write_text(json.dumps(audience))
        self.log = folder / "cambio.log"
        self.program = start(stack, folder, "cambio", CAMBIO, "serve", "--config", folder / "cambio.yaml")
        wait_until("Cambio", self.listens)

    def listens(self):
        assert self.program.poll() is None, self.log.read_text()
        with socket.socket() as caller:
            return caller.connect_ex(("127.0.0.1", self.port)) == 0

    def exchange(self, token):
        """The status, and the audit line."""
        fields = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": token,
            "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "audience": "api",
            "client_id": "batch",
            "client_secret": "batch-secret",
        }
        before = len(self.lines())
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Host": "sso.example.org"}
        path = "/realms/corp/protocol/openid-connect/token"
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request("POST", path, urllib.parse.urlencode(fields), headers)
            answer = connection.getresponse()
            answer.read()
        wait_until("the audit line", lambda: len(self.lines()) > before)
        return answer.status, json.loads(self.lines()[before])

    def lines(self):
        return self.audit.read_text().splitlines() if self.audit.exists() else []


class ApiServer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.folder = pathlib.Path(cls.stack.enter_context(tempfile.TemporaryDirectory()))
        cls.cluster = Cluster(cls.stack, cls.folder)
        cls.own = cls.folder / "token"
        cls.own.write_text(cls.cluster.token("cambio"))
        cls.subject = cls.cluster.token("job", AUDIENCE)

    @classmethod
    def tearDownClass(cls):
        cls.stack.close()

    def setUp(self):
        self.gates = 0

    def gate(self, issuer, **keys):
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        ca = {"certificateAuthorityFile": str(self.cluster.ca)}
        self.gates += 1
        return Gate(stack, self.folder / f"{self._testMethodName}-{self.gates}", ca | issuer, **keys)

    def bearer(self, file=None):
        return {"bearerTokenFile": str(file or self.own)}

    def test_the_server_tells_strangers_nothing(self):
        for path in ["/.well-known/openid-configuration", "/openid/v1/jwks"]:
            self.assertEqual(self.cluster.ask("GET", path, token=None)[0], 403)
            self.assertEqual(self.cluster.ask("GET", path, token=self.own.read_text())[0], 200)

    def test_without_a_token_there_are_no_keys(self):
        status, line = self.gate({}, jwksURL=self.cluster.url("/openid/v1/jwks")).exchange(self.subject)
        self.assertEqual((status, line["reason"]), (503, "keys_unavailable"), line)
        self.assertIn("status 403", line["detail"])

    def test_a_service_accounts_token_is_exchanged(self):
        gate = self.gate(self.bearer(), jwksURL=self.cluster.url("/openid/v1/jwks"))
        status, line = gate.exchange(self.subject)
        self.assertEqual(status, 200, line)
        for account, audiences in [("job", ["https://other.example"]), ("cambio", [])]:
            status, line = gate.exchange(self.cluster.token(account, *audiences))
            self.assertEqual((status, line["reason"]), (403, "subject_token_audience"), line)
        self.assertNotIn(self.own.read_text(), gate.log.read_text() + gate.audit.read_text())

    def test_discovery_leads_to_the_keys_with_the_same_token(self):
        discovery = self.cluster.url("/.well-known/openid-configuration")
        status, line = self.gate(self.bearer() | {"discoveryURL": discovery}).exchange(self.subject)
        self.assertEqual(status, 200, line)
        status, line = self.gate({"discoveryURL": discovery}).exchange(self.subject)
        self.assertEqual((status, line["reason"]), (503, "keys_unavailable"), line)

    def test_a_new_token_in_the_file_is_used(self):
        file = self.folder / "rotated"
        file.write_text("no-token-of-this-cluster")
        gate = self.gate(self.bearer(file), jwksURL=self.cluster.url("/openid/v1/jwks"))
        status, line = gate.exchange(self.subject)
        self.assertEqual((status, line["reason"]), (503, "keys_unavailable"), line)
        self.assertIn("status 401", line["detail"])
        file.write_text(self.cluster.token("cambio"))
        wait_until("the keys", lambda: gate.exchange(self.subject)[0] == 200)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"])
