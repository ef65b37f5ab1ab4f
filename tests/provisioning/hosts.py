"""Several hosts on one machine: network namespaces on one switch, and a fresh Debian 12 to install the hub on."""

import re
import secrets
import shlex
import shutil
import subprocess
from pathlib import Path

from tests.parts import NotInTime, PartMissing, Process, program, wait_until

RELEASE = "bookworm"
HUB, OFFICE = "10.77.0.1", "10.77.0.2"


def run(*command: object, **more: object) -> str:
    """What a command says; AssertionError with it when it fails."""
    done = subprocess.run([str(word) for word in command], text=True, capture_output=True, **more)
    assert done.returncode == 0, f"{' '.join(map(str, command))}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


class Host:
    """A host of its own network; `at` is its only address besides 127.0.0.1."""

    def __init__(self, name: str, at: str) -> None:
        self.name, self.at = f"torn-{name}-{secrets.token_hex(2)}", at
        run(program("ip"), "netns", "add", self.name)
        run(*self.within, program("ip"), "link", "set", "lo", "up")

    @property
    def within(self) -> list[str]:
        """What goes before a command to run it on this host."""
        return [program("ip"), "netns", "exec", self.name]

    def plug_into(self, other: "Host") -> None:
        """A cable between two hosts."""
        run(
            program("ip"),
            "link",
            "add",
            "eth0",
            "netns",
            self.name,
            "type",
            "veth",
            "peer",
            "eth0",
            "netns",
            other.name,
        )
        for host in (self, other):
            run(*host.within, program("ip"), "addr", "add", f"{host.at}/24", "dev", "eth0")
            run(*host.within, program("ip"), "link", "set", "eth0", "up")

    def close(self) -> None:
        """Takes the host away."""
        run(program("ip"), "netns", "del", self.name)


def mirror() -> str:
    """Where this machine's apt takes Debian's packages from; PartMissing if it takes none of this release."""
    listed = run("apt-get", "indextargets", "--format", "$(SITE) $(RELEASE)", "Created-By: Packages")
    sites = [line.split()[0] for line in listed.splitlines() if line.split()[1:] == [RELEASE]]
    if not sites:
        raise PartMissing(f"apt takes no packages of {RELEASE}: name a mirror of it in /etc/apt/sources.list")
    return sites[0]


def on(host: Host, process: Process) -> Process:
    """The process, to be started on this host."""
    process.command = [*host.within, *process.command]
    return process


class FreshDebian:
    """A Debian 12 of minimal size in `root`, as debootstrap makes it.

    Where debootstrap's own mirror cannot be reached, its packages come from where this machine's do.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.running = root, []
        words = [program("debootstrap"), "--variant=minbase", "--include=ca-certificates", RELEASE, str(root)]
        if subprocess.run(words, capture_output=True).returncode != 0:
            shutil.rmtree(root, ignore_errors=True)
            run(*words, mirror())
        (root / "dev/shm").chmod(0o1777)  # as a booted system has it
        for file in ("/etc/resolv.conf", "/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt"):
            if Path(file).exists():
                shutil.copyfile(file, root / file[1:])

    @property
    def within(self) -> list[str]:
        """What goes before a command to run it with this machine's /proc in its place, which goes when it ends."""
        return ["unshare", "--mount", "sh", "-c", 'mount --bind /proc "$0/proc" && exec "$@"', str(self.root)]

    def start(self, host: Host, *command: str, log: str) -> None:
        """Starts a program of it on a host; what it says goes into a file beside."""
        with (self.root.parent / log).open("wb") as file:
            words = [*host.within, *self.within, "chroot", str(self.root), *command]
            self.running.append(subprocess.Popen(words, stdout=file, stderr=file, stdin=subprocess.DEVNULL))

    def start_mosquitto(self, host: Host) -> None:
        """The broker alone, as Debian's unit starts it."""
        (self.root / "run/mosquitto").mkdir(exist_ok=True)
        shutil.chown(self.root / "run/mosquitto", *self._ids("mosquitto"))
        self.start(host, "mosquitto", "-c", "/etc/mosquitto/mosquitto.conf", log="mosquitto.log")

    def start_services(self, host: Host) -> None:
        """What systemd would start: mosquitto, nginx, and the hub by the very words of its unit."""
        self.start_mosquitto(host)
        self.start(host, "nginx", "-g", "daemon off;", log="nginx.log")
        self.start_unit(host, "torn-hub", "torn")
        log = self.root.parent / "torn-hub.log"
        try:
            wait_until(lambda: "ready" in log.read_text().splitlines(), 60, "the hub's being ready")
        except NotInTime:
            said = [path.read_text()[-2000:] for path in sorted(self.root.parent.glob("*.log"))]
            said += [path.read_text()[-2000:] for path in sorted((self.root / "var/log/mosquitto").glob("*.log"))]
            raise NotInTime("the hub is not ready:\n" + "\n".join(said)) from None

    def start_unit(self, host: Host, name: str, user: str) -> None:
        """What a unit of ours starts, by its very words, with the files that systemd would hand over."""
        unit = (self.root / f"etc/systemd/system/{name}.service").read_text()
        place = self.root / f"run/credentials/{name}.service"
        place.mkdir(parents=True)
        for file, source in re.findall(r"^LoadCredential=(\S+):/(\S+)$", unit, re.MULTILINE):
            shutil.copy(self.root / source, place / file)
        for path in (place, *place.iterdir()):
            shutil.chown(path, *self._ids(user))
        handed = f"/{place.relative_to(self.root)}"
        words = shlex.split(re.search(r"^ExecStart=(.*)$", unit, re.MULTILINE)[1].replace("%d", handed))
        as_user = ("setpriv", f"--reuid={user}", f"--regid={self._ids(user)[1]}", "--init-groups")
        self.start(host, "env", f"CREDENTIALS_DIRECTORY={handed}", *as_user, *words, log=f"{name}.log")

    def _ids(self, user: str) -> tuple[int, int]:
        line = next(line for line in (self.root / "etc/passwd").read_text().splitlines() if line.startswith(f"{user}:"))
        return int(line.split(":")[2]), int(line.split(":")[3])

    def owners(self, *paths: str) -> set[tuple[str, ...]]:
        """Owner, group and rights of files of it, by its own names."""
        lines = run("chroot", self.root, "stat", "--format=%U %G %a", *(f"/{path}" for path in paths)).splitlines()
        return {tuple(line.split()) for line in lines}

    def close(self) -> None:
        """Ends what was started."""
        for process in reversed(self.running):
            process.terminate()
            process.wait(15)
