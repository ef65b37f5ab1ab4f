"""Debian's nginx with the made site."""

import re
import subprocess
from pathlib import Path

from provisioning import server
from provisioning.fleet import Fleet
from provisioning.folder import write
from provisioning.keys import Keys
from tests.parts import free_port, listens, program, wait_until


class Nginx:
    """Debian's nginx with the made site in front of a hub, on free ports."""

    def __init__(self, folder: Path, fleet: Fleet, keys: Keys, pages: list[int]) -> None:
        self.folder, self.http, self.https = folder, free_port(), free_port()
        for name in ("https.pem", "https.key", "ca.pem"):
            write(folder / name, keys[name])
        site = server.nginx(fleet).replace("/etc/torn", str(folder))
        for port, real in enumerate(pages, server.FIRST_PORT):
            site = site.replace(f"127.0.0.1:{port} ", f"127.0.0.1:{real} ")
        site = re.sub(r"listen \[::\]:.*\n", "", site).replace("listen 80 ", f"listen {self.http} ")
        site = site.replace("listen 443 ", f"listen {self.https} ").replace("/var/log/nginx", str(folder))
        logs = f"error_log {folder}/error.log info;\npid {folder}/nginx.pid;\n"
        http = (
            f"access_log {folder}/access.log;\nclient_body_temp_path {folder}/body;\nproxy_temp_path {folder}/proxy;\n"
        )
        events = "events { worker_connections 64; }\nuser root;\ndaemon off;\n"
        (folder / "nginx.conf").write_text(f"{logs}{events}http {{\n{http}{site}}}\n")
        self.command = [program("nginx"), "-e", f"{folder}/error.log", "-c", str(folder / "nginx.conf")]

    def check(self) -> str:
        """What `nginx -t` says of it; nothing when all is well."""
        done = subprocess.run([*self.command, "-t", "-q"], capture_output=True, text=True)
        return done.stdout + done.stderr

    def start(self) -> "Nginx":
        self.running = subprocess.Popen(self.command, stdin=subprocess.DEVNULL)
        wait_until(lambda: listens(self.https), what="nginx's port")
        return self

    def stop(self) -> None:
        self.running.terminate()
        self.running.wait(10)

    def url(self, path: str) -> str:
        return f"https://localhost:{self.https}{path}"
