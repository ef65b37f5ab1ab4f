"""The hub's machine: its units judged by systemd, its nginx by nginx, and both at work."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from hub.store.staff import EVERYWHERE
from hub.web.provider import provider
from provisioning import broker, server, units
from provisioning.fleet import Fleet, read_fleet
from provisioning.keys import Keys
from tests.parts import ROOT, Hub, program
from tests.provisioning.fleets import FLEET, described
from tests.provisioning.nginx import Nginx

# Of 10, as the docs say; a unit with @ is judged with a name of its own.
MOST_EXPOSED = {"torn-hub": 1.3, "torn-web@": 1.2, "torn-bridge@": 1.2, "torn-forecast": 1.3, "torn-backup": 1.0}
MOST_EXPOSED |= {"torn-dispenser": 1.8, "torn-desk": 1.8, "torn-board": 1.8, "torn-tunnel": 1.2}
WATCHED = ("torn-hub", "torn-dispenser", "torn-desk", "torn-board")


def several(fleet: Fleet) -> Fleet:
    """The same fleet with several processes."""
    hub = fleet.hub.model_copy(update={"database": "postgresql", "web": 2, "bridge": 2})
    return Fleet(**{**fleet.__dict__, "hub": hub})


@pytest.fixture(scope="module")
def unit_files(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every unit of the fleet, in a folder, with a program that is there."""
    folder = tmp_path_factory.mktemp("units")
    texts = {**server.hub_units(fleet), **server.hub_units(several(fleet))}
    texts["torn-backup.service"] = server.backup_unit(fleet)
    texts["torn-tunnel.service"] = broker.tunnel_unit()
    texts |= {f"torn-{kind}.service": units.agent(kind) for kind in ("dispenser", "desk", "board")}
    found = {}
    for name, text in texts.items():
        found[name.removesuffix(".service")] = path = folder / name.replace("@", "@8081")
        path.write_text(text.replace(server.PYTHON, sys.executable))
    return found


@pytest.mark.parametrize("name", MOST_EXPOSED)
def test_systemd_takes_every_unit_without_a_word(unit_files: dict[str, Path], name: str) -> None:
    command = [program("systemd-analyze"), "verify", "--man=no", str(unit_files[name])]
    done = subprocess.run(command, capture_output=True, text=True)

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("name", MOST_EXPOSED)
def test_no_unit_is_more_exposed_than_the_docs_say(unit_files: dict[str, Path], name: str) -> None:
    command = [program("systemd-analyze"), "security", "--offline=true", "--no-pager", str(unit_files[name])]
    done = subprocess.run(command, capture_output=True, text=True)

    level = re.search(r"Overall exposure level for torn-[\w@]+\.service: ([\d.]+)", done.stdout)
    assert level
    assert float(level[1]) <= MOST_EXPOSED[name]
    docs = (ROOT / "docs" / "provisioning.md").read_text("utf-8")
    assert re.search(rf"\| `{name}.service` \| {re.escape(level[1])} \|", docs)


@pytest.mark.parametrize("name", sorted(set(MOST_EXPOSED) - {"torn-backup"}))
def test_every_unit_is_started_again_for_ever(unit_files: dict[str, Path], name: str) -> None:
    lines = set(unit_files[name].read_text().splitlines())

    assert {"Restart=always", "StartLimitIntervalSec=0"} <= lines
    assert ("Type=notify" in lines) == (name != "torn-tunnel")  # stunnel says to nobody that it is ready


@pytest.mark.parametrize("name", WATCHED)
def test_a_unit_that_gives_no_sign_of_life_is_started_again(unit_files: dict[str, Path], name: str) -> None:
    text = unit_files[name].read_text()

    assert "WatchdogSec=60" in text.splitlines()


def test_a_backup_is_written_every_hour_of_the_day_by_a_timer_that_systemd_takes(tmp_path: Path) -> None:
    (tmp_path / "torn-backup.timer").write_text(units.timer("a backup", "*-*-* 07..21:00"))
    (tmp_path / "torn-backup.service").write_text("[Service]\nExecStart=/bin/true\n")

    verified = subprocess.run(
        [program("systemd-analyze"), "verify", "--man=no", str(tmp_path / "torn-backup.timer")],
        capture_output=True,
        text=True,
    )
    said = subprocess.run([program("systemd-analyze"), "calendar", "*-*-* 07..21:00"], capture_output=True, text=True)

    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
    assert "Normalized form: *-*-* 07..21:00:00" in said.stdout


@pytest.mark.parametrize("name", ["torn-hub", "torn-web@", "torn-bridge@", "torn-forecast", "torn-backup"])
def test_a_unit_is_handed_its_secrets_by_systemd_and_names_no_file_of_roots(
    unit_files: dict[str, Path], name: str
) -> None:
    lines = unit_files[name].read_text().splitlines()
    handed = [line.removeprefix("LoadCredential=").split(":")[0] for line in lines if "LoadCredential" in line]
    used = [line for line in lines if not line.startswith("LoadCredential=")]

    assert handed == (["people.keys"] if name == "torn-backup" else ["hub.key", "people.keys"])
    assert all(any(f"%d/{secret}" in line for line in used) for secret in handed)
    assert not any(f"/etc/torn/{secret}" in line for line in used for secret in handed)


@pytest.mark.parametrize("name", ["torn-hub", "torn-forecast"])
def test_where_the_forecaster_runs_it_may_give_way_to_the_others(unit_files: dict[str, Path], name: str) -> None:
    refused = subprocess.run(
        [program("systemd-analyze"), "syscall-filter", "@resources"], capture_output=True, text=True
    )
    filters = [line for line in unit_files[name].read_text().splitlines() if line.startswith("SystemCallFilter=")]

    assert "setpriority" in refused.stdout.split()  # what os.nice calls
    assert filters[-2:] == ["SystemCallFilter=~@privileged @resources", "SystemCallFilter=setpriority"]


def test_a_command_of_the_hub_wants_root_and_passes_everything_on(fleet: Fleet, keys: Keys, tmp_path: Path) -> None:
    script = server.tree(fleet, keys)["usr/local/sbin/torn"].decode()
    (tmp_path / "people.keys").write_text("first\nsecond\n")
    inside = script.replace("/etc/torn", str(tmp_path)).replace("setpriv --reuid=torn --regid=torn --init-groups ", "")
    inside = inside.replace(server.PYTHON, 'sh -c \'echo $TORN_KEYS; printf "%s|" "$@"\'').replace("id -u", "echo 0")
    (tmp_path / "torn").write_text(inside)
    (tmp_path / "somebody").write_text(script.replace("id -u", "echo 1000"))

    done = subprocess.run(["sh", tmp_path / "torn", "user", "add", "anna m"], text=True, capture_output=True)
    refused = subprocess.run(["sh", tmp_path / "somebody", "user"], text=True, capture_output=True)

    assert done.stdout == "first second\nhub|user|add|anna m|--data|/var/lib/torn|"
    assert (refused.returncode, refused.stderr) == (1, "torn: must be run as root: sudo torn user\n")


def test_the_install_script_is_a_shells_and_wants_root(fleet: Fleet) -> None:
    script = server.script(fleet)

    assert subprocess.run(["sh", "-n"], input=script, text=True, capture_output=True).returncode == 0
    assert "must be run as root" in script


def test_on_postgresql_the_hub_waits_for_it_and_the_script_makes_its_database(fleet: Fleet) -> None:
    hub = fleet.hub.model_copy(update={"database": "postgresql"})
    grown = Fleet(**{**fleet.__dict__, "hub": hub})

    (unit,) = server.hub_units(grown).values()
    assert "--database postgresql:///torn?host=/run/postgresql" in unit
    assert "After=network.target mosquitto.service postgresql.service" in unit
    assert " postgresql" in server.script(grown)


def test_several_processes_are_units_of_their_own_behind_one_nginx(fleet: Fleet) -> None:
    grown = several(fleet)

    names = ["torn-bridge@1.service", "torn-bridge@2.service", "torn-web@8080.service", "torn-web@8081.service"]
    names.append("torn-forecast.service")
    assert server.processes(grown) == names
    assert f"units='{' '.join(names)}'" in server.script(grown)
    assert "    server 127.0.0.1:8080 max_fails=0;\n    server 127.0.0.1:8081 max_fails=0;\n" in server.nginx(grown)
    assert "-m hub web --http 127.0.0.1:%i --database postgresql" in server.hub_units(grown)["torn-web@.service"]
    assert "-m hub forecast run --database postgresql" in server.hub_units(grown)["torn-forecast.service"]


def vouched(folder: Path) -> Fleet:
    """The fleet with a provider for the staff."""
    secret = folder / "oidc.secret"
    secret.write_text('100 %s "secret"\n')
    secret.chmod(0o600)
    hub = """reaches = ["10.20.0.7/32"]
[hub.oidc]
issuer = "https://idp.example.cat/realms/town"
client = 'torn "2" 50%'
name = "l'Ajuntament"
secret_file = "oidc.secret"
roles = { "OAC Miami" = "clerk@miami-platja", "CN=a,DC=b" = "admin" }
"""
    return read_fleet(described(folder, FLEET.replace('host = "localhost"', f'host = "localhost"\n{hub}')))


@pytest.mark.parametrize("unit", ["torn-hub.service", "torn-web@.service"])
def test_the_pages_know_the_staffs_provider_as_the_fleets_file_says_it(keys: Keys, tmp_path: Path, unit: str) -> None:
    fleet = vouched(tmp_path) if unit == "torn-hub.service" else several(vouched(tmp_path))
    text, made = server.hub_units(fleet)[unit], server.tree(fleet, keys)
    for name in ("oidc.secret", "oidc.roles"):
        (tmp_path / name).write_bytes(made[f"etc/torn/{name}"])
    (tmp_path / "judged.service").write_text(text.replace(server.PYTHON, sys.executable))
    judged = subprocess.run(
        [program("systemd-analyze"), "verify", "--man=no", str(tmp_path / "judged.service")],
        capture_output=True,
        text=True,
    )

    lines = [line.removeprefix("Environment=") for line in text.splitlines() if line.startswith("Environment=")]
    filled = text_of_systemd("\n".join(lines), str(tmp_path)).replace("/etc/torn", str(tmp_path))
    found = provider(dict(pair.split("=", 1) for pair in shlex.split(filled)))

    assert (judged.returncode, judged.stdout + judged.stderr) == (0, "")
    assert "LoadCredential=oidc.secret:/etc/torn/oidc.secret" in text.splitlines()
    assert "IPAddressAllow=10.20.0.7/32" in text.splitlines()
    assert found
    assert (found.issuer, found.client) == ("https://idp.example.cat/realms/town", 'torn "2" 50%')
    assert (found.secret, found.name) == ('100 %s "secret"', "l'Ajuntament")
    assert found.roles == {"OAC Miami": ("miami-platja", "clerk"), "CN=a,DC=b": (EVERYWHERE, "admin")}


def text_of_systemd(text: str, credentials: str) -> str:
    """Its specifiers filled in (systemd.unit(5))."""
    return re.sub("%[%d]", lambda found: "%" if found[0] == "%%" else credentials, text)


def test_without_a_provider_no_unit_speaks_of_one_and_a_bridge_never_does(fleet: Fleet, tmp_path: Path) -> None:
    with_one = server.hub_units(several(vouched(tmp_path)))

    assert "OIDC" not in "".join(server.hub_units(fleet).values())
    assert "oidc" not in with_one["torn-bridge@.service"].lower() + with_one["torn-forecast.service"].lower()


# --- nginx ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def front(fleet: Fleet, keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Nginx, Hub]]:
    hub = Hub(tmp_path_factory.mktemp("hub")).start()
    nginx = Nginx(tmp_path_factory.mktemp("nginx"), fleet, keys, [hub.http]).start()
    yield nginx, hub
    nginx.stop()
    hub.stop()


def test_nginx_takes_its_configuration_without_a_word(fleet: Fleet, keys: Keys, tmp_path: Path) -> None:
    assert Nginx(tmp_path, fleet, keys, [8080]).check() == ""


def test_pages_come_by_https_and_http_leads_there(front: tuple[Nginx, Hub]) -> None:
    nginx, _ = front

    page = requests.get(nginx.url("/"), verify=nginx.folder / "ca.pem", timeout=10)
    plain = requests.get(f"http://localhost:{nginx.http}/book?x=1", allow_redirects=False, timeout=10)

    assert page.status_code == 200
    assert page.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "default-src" in page.headers["Content-Security-Policy"]
    assert (plain.status_code, plain.headers["Location"]) == (301, "https://localhost/book?x=1")


def test_old_tls_is_refused(front: tuple[Nginx, Hub]) -> None:
    nginx, _ = front
    command = [program("openssl"), "s_client", "-connect", f"localhost:{nginx.https}", "-tls1_1"]

    assert subprocess.run(command, input="", capture_output=True, text=True).returncode != 0


def test_a_phones_stream_comes_through_at_once_and_its_address_is_in_no_log(front: tuple[Nginx, Hub]) -> None:
    nginx, hub = front
    token = hub.token("clerk")
    given = requests.post(
        hub.url("/api/v1/offices/mont-roig/tickets"),
        json={"service": "padro"},
        headers={"Authorization": f"Bearer {token}"},
        timeout=10,
    ).json()

    with requests.get(
        nginx.url(f"/t/{given['token']}/events"), verify=nginx.folder / "ca.pem", stream=True, timeout=5
    ) as stream:
        lines = stream.iter_lines(chunk_size=1)
        first = [next(lines) for _ in range(3)]

    assert stream.headers["Content-Type"].startswith("text/event-stream")
    assert any(given["label"].encode() in line for line in first)
    logs = "".join(path.read_text() for path in nginx.folder.glob("*.log"))
    assert given["token"] not in logs


def test_a_clerks_stream_comes_through_by_their_session_alone_and_ends_with_it(front: tuple[Nginx, Hub]) -> None:
    nginx, hub = front
    hub.account("anna", "clerk", "una contrasenya llarga")
    browser, ca = requests.Session(), nginx.folder / "ca.pem"
    stranger = requests.get(nginx.url("/staff/mont-roig/events"), verify=ca, timeout=10)

    signed = {"name": "anna", "password": "una contrasenya llarga"}
    browser.post(nginx.url("/staff/sign-in"), data=signed, verify=ca, timeout=10)
    stream = browser.get(nginx.url("/staff/mont-roig/events"), stream=True, verify=ca, timeout=20)
    lines = stream.iter_lines(chunk_size=1)
    first = next(lines)
    hub.command_line("user", "end", "anna")
    for _ in lines:  # the stream's last words; it ends, or the time limit of 20 s raises
        pass

    assert (stranger.status_code, first) == (401, b"event: line")


def test_the_metrics_are_for_the_machine_itself(front: tuple[Nginx, Hub], fleet: Fleet) -> None:
    nginx, _ = front

    assert requests.get(nginx.url("/metrics"), verify=nginx.folder / "ca.pem", timeout=5).status_code == 200
    assert re.search(r"location = /metrics \{\s+allow 127\.0\.0\.1;\s+allow ::1;\s+deny all;", server.nginx(fleet))
