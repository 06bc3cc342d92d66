"""Runs the image's content as the image runs it: from an otherwise empty root, as its user, without a writable file.

The configuration is that of deploy/kubernetes/cambio.yaml, laid out as the kubelet lays out ConfigMaps and Secrets;
only the port numbers are replaced, so that the test disturbs nobody.
"""

import contextlib
import http.client
import http.server
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import yaml

ROOT = pathlib.Path(__file__).parents[2]
DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text()
LIMIT_MIB = 29


def main(binary):
    is_static(binary)
    with tempfile.TemporaryDirectory(prefix="cambio-image-") as image, upstream() as keycloak:
        image = pathlib.Path(image)
        listen, admin = free_ports(2)
        lay_out(image, binary, {8180: keycloak, 8080: listen, 9090: admin})
        assert check(image, "cambio.yaml") == 0, "cambio check refuses deploy/kubernetes/cambio.yaml"
        serve(image, listen, admin)
        refuses_a_broken_file(image)


def is_static(binary):
    size = binary.stat().st_size / 2**20
    headers = subprocess.run(["readelf", "-lW", binary], capture_output=True, text=True, check=True).stdout
    assert "INTERP" not in headers, f"{binary} wants a dynamic loader:\n{headers}"
    assert size < LIMIT_MIB, f"{binary} has {size:.1f} MiB"
    print(f"static, {size:.1f} MiB")


def lay_out(image, binary, ports):
    """The image's two files, and the three volumes under /etc/cambio."""
    image.chmod(0o755)
    copies = re.findall(r"^COPY --from=build (\S+) (\S+)$", DOCKERFILE, re.MULTILINE)
    assert [destination for _, destination in copies] == ["/etc/ssl/certs/ca-certificates.crt", "/cambio"], copies
    for source, destination in copies:
        put(image / destination[1:], (binary if destination == "/cambio" else pathlib.Path(source)).read_bytes(), 0o755)
    for document in yaml.safe_load_all((ROOT / "deploy/kubernetes/cambio.yaml").read_text()):
        folder = {"cambio": "platform", "cambio-audiences": "audiences"}[document["metadata"]["name"]]
        volume(image / "etc/cambio" / folder, {name: replace(text, ports) for name, text in document["data"].items()}, 0o644)
    key = run(image, ["keys", "generate"]).communicate(timeout=30)[0]
    assert b"PRIVATE KEY" in key, "cambio keys generate gave no key"
    with tempfile.TemporaryDirectory(prefix="cambio-keys-") as keys:
        subprocess.run([binary, "keys", "generate", "--dir", keys], stdout=subprocess.DEVNULL, check=True, timeout=30)
        files = {file.name: file.read_text() for file in pathlib.Path(keys).iterdir()}
    volume(image / "etc/cambio/keys", files, 0o440)


def replace(text, ports):
    return re.sub(r":(8180|8080|9090)\b", lambda found: f":{ports[int(found[1])]}", text)


def volume(folder, files, mode):
    """A folder as the kubelet makes it: each name a link into ..data, itself a link to a folder with a date."""
    for name, text in files.items():
        put(folder / "..2026_01_01_00_00_00.1" / name, text.encode(), mode)
        (folder / name).symlink_to(pathlib.Path("..data") / name)
    (folder / "..data").symlink_to("..2026_01_01_00_00_00.1")


def put(file, content, mode):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    os.chown(file, 0, user()[1])
    file.chmod(mode)


def user():
    uid, gid = re.search(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE).groups()
    assert int(uid) > 0 and int(gid) > 0
    return int(uid), int(gid)


def run(image, arguments):
    """Starts /cambio inside `image` as the image's user with no environment."""
    uid, gid = user()

    def enter():
        os.chroot(image)
        os.chdir("/")
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)

    return subprocess.Popen(["/cambio", *arguments], env={}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, preexec_fn=enter)


def serve(image, listen, admin):
    process = run(image, ["serve", "--config", "/etc/cambio/platform/cambio.yaml"])
    try:
        deadline = time.monotonic() + 10
        while get(admin, "/readyz")[0] != 200:
            assert process.poll() is None, f"cambio ended with {process.returncode}"
            assert time.monotonic() < deadline, "cambio was not ready within 10 s"
            time.sleep(0.01)  # the polling interval
        assert get(admin, "/livez")[0] == 200
        metrics = get(admin, "/metrics")[1]
        assert b"cambio_" in metrics
        if promtool := os.environ.get("PROMTOOL"):
            subprocess.run([promtool, "check", "metrics"], input=metrics, check=True)
        assert get(listen, "/realms/corp/account") == (200, b"keycloak: /realms/corp/account")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=15) == 0, f"SIGTERM: status {process.returncode}"
        print("serve: ready, forwards, stops")
    finally:
        process.kill()
        process.communicate(timeout=10)


def refuses_a_broken_file(image):
    """A check that accepts everything would pass the checks above."""
    put(image / "etc/cambio/platform/broken.yaml", b"upstream: { uri: http://127.0.0.1:1 }\n", 0o644)
    assert check(image, "broken.yaml") > 0, "cambio check accepts a broken file"
    print("check: takes the ConfigMaps, refuses a broken file")


def check(image, file):
    """The exit status of `cambio check`; it says on its own output what it found."""
    process = run(image, ["check", "--config", f"/etc/cambio/platform/{file}"])
    print(process.communicate(timeout=30)[0].decode(), end="")
    return process.returncode


def get(port, path):
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except OSError:
            return None, b""


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextlib.contextmanager
def upstream():
    """Something that answers where Keycloak would."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = f"keycloak: {self.path}".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
