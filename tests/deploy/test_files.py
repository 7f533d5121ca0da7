"""Tests that each rule of files.py can fail: BIN=… python3 -m unittest discover tests/deploy

Each case changes one text of the project and expects a problem that has these words.
"""

import os
import shutil
import unittest

import files

DOCKERFILE, IGNORE, COMPOSE = "Dockerfile", ".dockerignore", "compose.yaml"
UNIT = "ops/orders-inventory.service"
PROMETHEUS, SOURCE = "ops/compose/prometheus.yml", "ops/compose/grafana-datasource.yml"
DASHBOARDS = "ops/compose/grafana-dashboards.yml"
OPS = ["ops/prometheus.yml", "ops/grafana-dashboard.json", PROMETHEUS, SOURCE, DASHBOARDS]

CASES = [
    (DOCKERFILE, "rust:1.95.0-", "rust:1.94.0-", "is not the version of rust-toolchain.toml"),
    (DOCKERFILE, "FROM debian:bookworm-slim", "FROM debian:trixie-slim", "the last stages are"),
    (DOCKERFILE, "USER 10001:10001", "USER shop", "USER must be two numbers"),
    (DOCKERFILE, "USER 10001:10001", "USER 0:0", "USER must be two numbers"),
    (DOCKERFILE, "sqlite:///data/", "sqlite:///tmp/", "DATABASE_URL is not in the VOLUME"),
    (DOCKERFILE, "sqlite:///data/orders-inventory.db", "sqlite:///data/", '"message":"DATABASE_URL: must name a file'),
    (DOCKERFILE, "HOST=0.0.0.0", "HOST=127.0.0.1", "nobody outside of a container"),
    (DOCKERFILE, "EXPOSE 8080", "EXPOSE 80", "EXPOSE is not PORT"),
    (DOCKERFILE, '["orders-inventory"]', "orders-inventory", "SIGTERM must reach the service"),
    (DOCKERFILE, "LOG_FORMAT", "LOG_FORM", "LOG_FORM is not a setting"),
    (DOCKERFILE, "LOG_FORMAT=json", "LOG_FORMAT=json WEBHOOK_SECRET=s", "secrets must not be in an image"),
    (DOCKERFILE, "COPY . .", "COPY src .", "knows only COPY . ."),
    (IGNORE, "!src\n", "!sources\n", "there is no sources"),
    (IGNORE, "!benches/src\n", "", "cargo does not find all it reads"),
    (IGNORE, "!openapi.yaml\n", "", "the build needs openapi.yaml"),
    (IGNORE, "!src\n", "!src\n!rust-toolchain.toml\n", "rust-toolchain.toml must not be in the context"),
    (COMPOSE, "read_only: true", "readonly: true", "readonly"),
    (COMPOSE, "read_only: true", "read_only: false", "its root must be read-only"),
    (COMPOSE, "cap_drop: [ALL]", "cap_drop: [NET_RAW]", "it needs no capability"),
    (COMPOSE, "no-new-privileges:true", "no-new-privileges:false", "must not get new privileges"),
    (COMPOSE, "postgres:17.11", "postgres:latest", "postgres:latest has no version"),
    (COMPOSE, "'127.0.0.1:9090:9090'", "'9090:9090'", "is open to the network"),
    (COMPOSE, "    profiles: [postgres]\n", "", "everything else has one"),
    (COMPOSE, "'127.0.0.1:8080:8080'", "'127.0.0.1:8080:80'", "listens on 8080 and not on 80"),
    (COMPOSE, "./ops/alerts.yml:", "./ops/alarms.yml:", "there is no file ./ops/alarms.yml"),
    (COMPOSE, "alerts.yml:ro", "alerts.yml", "is not mounted read-only"),
    (COMPOSE, "/prometheus/alerts.yml:ro", "/alerts.yml:ro", "prometheus mounts"),
    (COMPOSE, "'data:/data'", "'data:/var/lib/data'", "the volume is not where the database is"),
    (COMPOSE, "'data:/data'", "'files:/data'", "there is no volume files"),
    (COMPOSE, ":-sqlite:///data/", ":-sqlite:///tmp/", "DATABASE_URL is not in the volume"),
    (COMPOSE, "CURRENCY: ${CURRENCY:-}", "CURRENCY: ${CURRENCY:-Mark}", '"message":"CURRENCY: must be the code'),
    (COMPOSE, "TRUSTED_PROXIES: ", "TRUSTED_PROXY: ", "TRUSTED_PROXY is not a setting"),
    (COMPOSE, "${WEBHOOK_SECRET:?set it in .env, see docs/deploy.md}", "${WEBHOOK_SECRET:-}", "it requires ['API_KEYS']"),
    (COMPOSE, "stop_grace_period: 30s", "stop_grace_period: 20s", "longer than DRAIN_SECONDS"),
    (COMPOSE, "0.0.0.0:9464", "0.0.0.0:9465", "is not METRICS_ADDR of the service"),
    (COMPOSE, "/etc/grafana/dashboards/orders-inventory.json:ro", "/var/orders-inventory.json:ro", "grafana mounts"),
    (PROMETHEUS, "scrape_interval: 15s", "scrape_interval: 1m", "more than the target differs"),
    (SOURCE, "prometheus:9090", "prometheus:9091", "no Prometheus is at"),
    (SOURCE, "isDefault: true", "isDefault: false", "does not find it by its type"),
    (DASHBOARDS, "/etc/grafana/dashboards", "/etc/dashboards", "grafana mounts"),
    (UNIT, "Environment=LOG_FORMAT=json", "Environment=LOG_FORMAT=xml", "the service says: orders-inventory: LOG_FORMAT"),
    (UNIT, "Environment=LOG_FORMAT", "Environment=LOGFORMAT", "LOGFORMAT is not a setting"),
    (UNIT, "sqlite:///var/lib/orders-inventory/", "sqlite:///srv/", "DATABASE_URL is not in StateDirectory"),
    (UNIT, "TimeoutStopSec=30", "TimeoutStopSec=20", "TimeoutStopSec must be longer"),
    (UNIT, "LimitNOFILE=16384", "LimitNOFILE=10000", "LimitNOFILE leaves too few files"),
    (UNIT, "ProtectProc=invisible", "ProtectProc=invisible\nProcSubset=pid", "hides process_start_time_seconds"),
    (UNIT, "PrivateTmp=yes", "PrivateTemp=yes", "PrivateTemp"),
    (UNIT, "Restart=on-failure", "Restart=sometimes", "Failed to parse service restart specifier"),
    (UNIT, "SystemCallFilter=", "# ", "Overall exposure level"),
]


class Rules(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        paths = [DOCKERFILE, IGNORE, COMPOSE, UNIT, "rust-toolchain.toml", *OPS]
        cls.texts = {path: (files.ROOT / path).read_text(encoding="utf-8") for path in paths}
        cls.program = files.Program(os.environ["BIN"])

    def problems(self, changed, texts):
        ignore = texts[IGNORE]
        if changed == UNIT:
            return [*files.of_unit(texts[UNIT], self.program, shutil.which("systemd-analyze"))]
        found = [*files.of_compose(texts[COMPOSE], self.texts[DOCKERFILE], texts, self.program)]
        if changed in (DOCKERFILE, IGNORE):
            found += files.of_dockerfile(texts[DOCKERFILE], ignore, texts["rust-toolchain.toml"], self.program)
        return found

    def test_the_files_as_they_are_have_no_problem(self):
        for path in [DOCKERFILE, COMPOSE, UNIT]:
            self.assertEqual(self.problems(path, self.texts), [])

    def test_a_change_for_the_worse_is_found(self):
        for path, old, new, wanted in CASES:
            with self.subTest(path=path, old=old, new=new):
                self.assertIn(old, self.texts[path])
                problems = self.problems(path, self.texts | {path: self.texts[path].replace(old, new)})
                self.assertTrue(any(wanted in problem for problem in problems), problems)
