"""A real nginx that spreads requests over several gates behind one address."""

from __future__ import annotations

import socket
from pathlib import Path

from process import Program, free_port


class Balancer:
    """One nginx process; each request goes to the next gate in turn, on a connection of its own."""

    def __init__(self, folder: Path, *ports: int):
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.port = free_port()
        servers = " ".join(f"server 127.0.0.1:{port};" for port in ports)
        (folder / "nginx.conf").write_text(
            f"""daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;
            events {{}}
            http {{
                access_log off; proxy_temp_path {folder}/proxy; client_body_temp_path {folder}/body;
                fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
                upstream gates {{ {servers} }}
                server {{
                    listen 127.0.0.1:{self.port};
                    location / {{
                        proxy_pass http://gates; proxy_set_header Host $http_host; proxy_next_upstream off;
                        add_header x-gate $upstream_addr always;
                    }}
                }}
            }}"""
        )
        self._program: Program | None = None

    def start(self) -> Balancer:
        argv = ["nginx", "-p", str(self._folder), "-c", str(self._folder / "nginx.conf"), "-e", "stderr"]
        self._program = Program(argv, self._folder / "nginx.log", cwd=self._folder)
        self._program.wait_until("listening", self._listens, deadline=10)
        return self

    def stop(self) -> None:
        if self._program:
            self._program.stop(deadline=5)
            self._program = None

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
