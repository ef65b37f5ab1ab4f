"""What watches the hub: alert rules, tried one by one by promtool; a dashboard; and both on a real Prometheus."""

import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.parts import ROOT, Hub, free_port, program, wait_until

WATCH = ROOT / "provisioning" / "watch"
TRIED = ROOT / "tests" / "provisioning" / "torn.rules.test.yml"
DASHBOARD = json.loads((WATCH / "grafana.json").read_text(encoding="utf-8"))
RULES = yaml.safe_load((WATCH / "torn.rules.yml").read_text(encoding="utf-8"))["groups"][0]["rules"]
ALERTS = [rule["alert"] for rule in RULES]
SELECTOR = re.compile(r"(torn_\w+)(?:\{([^}]*)\})?")
SHOWN = {panel["title"]: [each["expr"] for each in panel["targets"]] for panel in DASHBOARD["panels"]}
EXPRESSIONS = [each for panel in SHOWN.values() for each in panel]


class Prometheus:
    """Debian's Prometheus with the files as they are given, but for the hub's address and the pace."""

    def __init__(self, folder: Path, hub: int) -> None:
        self.folder, self.port = folder, free_port()
        config = (WATCH / "prometheus.yml").read_text(encoding="utf-8").replace("127.0.0.1:8080", f"127.0.0.1:{hub}")
        (folder / "prometheus.yml").write_text(config.replace("15s", "1s"), encoding="utf-8")
        (folder / "torn.rules.yml").write_bytes((WATCH / "torn.rules.yml").read_bytes())

    def start(self) -> "Prometheus":
        """Starts it and waits until it answers."""
        places = [f"--config.file={self.folder}/prometheus.yml", f"--storage.tsdb.path={self.folder}/data"]
        with (self.folder / "prometheus.log").open("wb") as log:
            command = [program("prometheus"), *places, f"--web.listen-address=127.0.0.1:{self.port}"]
            self.running = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self._ready, 30, "Prometheus' being ready")
        return self

    def _ready(self) -> bool:
        try:
            return requests.get(f"http://127.0.0.1:{self.port}/-/ready", timeout=5).ok
        except requests.RequestException:
            return False

    def asked(self, path: str, **words: str) -> dict[str, Any]:
        """What its API answers."""
        answer = requests.get(f"http://127.0.0.1:{self.port}/api/v1/{path}", params=words, timeout=10).json()
        assert answer["status"] == "success", answer
        return answer["data"]

    def value(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression gives now."""
        return self.asked("query", query=expression.replace("$office", ".+"))["result"]

    def stop(self) -> None:
        self.running.terminate()
        self.running.wait(20)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """One that has asked a whole hub a few times."""
    hub = Hub(tmp_path_factory.mktemp("hub")).start()
    requests.get(hub.url("/"), timeout=10)
    server = Prometheus(tmp_path_factory.mktemp("prometheus"), hub.http).start()
    wait_until(lambda: server.value("torn_forecast_age_seconds < 60"), 60, "a forecast")
    wait_until(lambda: server.value("count_over_time(torn_relay_lag_seconds[1m]) > 2"), 30, "three looks at the hub")
    yield server
    server.stop()
    hub.stop()


def ran(*words: object) -> str:
    """What promtool says; AssertionError with it if it finds a fault."""
    done = subprocess.run([program("promtool"), *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# --- the rules ------------------------------------------------------------------------------


def test_promtool_takes_the_configuration_and_every_rule() -> None:
    assert f"{len(ALERTS)} rules found" in ran("check", "config", "--lint=all", WATCH / "prometheus.yml")


def test_every_alert_rings_when_it_should_and_then_alone() -> None:
    assert "SUCCESS" in ran("test", "rules", TRIED)


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_is_tried_with_what_makes_it_ring_and_with_what_must_not(alert: str) -> None:
    tried = [each for case in yaml.safe_load(TRIED.read_text())["tests"] for each in case["alert_rule_test"]]

    assert {bool(each["exp_alerts"]) for each in tried if each["alertname"] == alert} == {True, False}


@pytest.mark.parametrize("rule", RULES, ids=ALERTS)
def test_every_alert_says_in_sentences_what_is_wrong_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("now", "today")
    assert all(rule["annotations"][each].endswith(".") for each in ("summary", "do"))
    assert rule["alert"] in (ROOT / "docs" / "provisioning.md").read_text(encoding="utf-8")


# --- on a real hub --------------------------------------------------------------------------


@pytest.mark.parametrize("expression", [rule["expr"] for rule in RULES] + EXPRESSIONS)
def test_every_metric_that_is_watched_is_one_that_a_running_hub_tells(prometheus: Prometheus, expression: str) -> None:
    selectors = [(name, re.sub(r',?status=~"5\.\."', "", match or "")) for name, match in SELECTOR.findall(expression)]

    unknown = [f"{name}{{{match.strip(',')}}}" for name, match in selectors]

    assert [each for each in unknown if not prometheus.value(each)] == []


@pytest.mark.parametrize("title", SHOWN)
def test_every_panel_shows_something_of_a_running_hub(prometheus: Prometheus, title: str) -> None:
    assert all(prometheus.value(expression) for expression in SHOWN[title])


def test_prometheus_evaluates_every_rule(prometheus: Prometheus) -> None:
    def rules() -> list[dict[str, Any]]:
        (group,) = prometheus.asked("rules")["groups"]
        return group["rules"]

    wait_until(lambda: all(rule["health"] == "ok" for rule in rules()), 20, "that every rule was evaluated")
    assert [rule["name"] for rule in rules()] == ALERTS


# --- the dashboard --------------------------------------------------------------------------


def test_the_dashboards_panels_stand_beside_each_other_and_have_names_of_their_own() -> None:
    places: Counter[tuple[int, int]] = Counter()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        places.update((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"]))

    assert max(places.values()) == 1
    assert max(x for x, _ in places) < 24
    assert len(SHOWN) == len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert all(panel["description"] for panel in DASHBOARD["panels"])


def test_the_dashboard_takes_whatever_prometheus_grafana_knows() -> None:
    sources = {each["datasource"]["uid"] for panel in DASHBOARD["panels"] for each in (panel, *panel["targets"])}

    assert sources == {"${datasource}"}
    assert [each["name"] for each in DASHBOARD["templating"]["list"]] == ["datasource", "office"]
