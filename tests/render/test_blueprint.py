"""Tests that each rule of blueprint.py can fail: BIN=… python3 -m unittest discover tests/render

Each case breaks the real render.yaml in one place and expects exactly the named rules.
"""

import copy
import os
import unittest

import blueprint
import yaml

DROP = object()  # removes a field


def variable(key, **fields):
    """A change of one entry of envVars; without fields it is removed."""
    def change(service):
        service["envVars"] = [entry for entry in service["envVars"] if entry["key"] != key]
        if fields:
            service["envVars"].append({"key": key} | fields)
    return change


def disk(**fields):
    def change(service):
        service["disk"] |= fields
    return change


def fields(**changes):
    def change(service):
        for field, value in changes.items():
            if value is DROP:
                del service[field]
            else:
                service[field] = value
    return change


def on_a_disk_at(mount, database):
    def change(service):
        disk(mountPath=mount)(service)
        variable("DATABASE_URL", value=database)(service)
    return change


CASES = [
    # Single fields.
    ("field-unknown", fields(healthcheckPath="/healthz")),
    ("field-unknown", fields(autoDeploy=False)),
    ("field-unknown", fields(env="rust")),
    ("field-unknown", fields(preDeployCommand="./target/release/orders-inventory audit")),
    ("field-unknown", disk(sizeGb=2)),
    ("field-unknown", variable("LOG_FORMAT", value="json", scope="all")),
    ("field-missing", fields(healthCheckPath=DROP)),
    ("field-missing", fields(plan=DROP)),
    ("field-missing", fields(disk={"name": "data", "mountPath": "/var/data"})),
    ("field-type", fields(autoDeployTrigger=False)),
    ("field-type", fields(maxShutdownDelaySeconds="30")),
    ("field-type", fields(numInstances=True)),
    ("field-type", fields(envVars={"HOST": "0.0.0.0"})),
    ("field-type", variable("TRUSTED_PROXIES", value=2)),
    ("field-value", fields(type="worker")),
    ("field-value", fields(runtime="docker")),
    ("field-value", fields(plan="gold")),
    ("field-value", fields(region="paris")),
    ("field-value", fields(name="Orders & Inventory")),
    ("field-value", fields(healthCheckPath="healthz")),
    ("field-value", fields(maxShutdownDelaySeconds=301)),
    ("field-value", disk(mountPath="var/data")),
    ("field-value", disk(sizeGB=0)),
    ("field-value", variable("API_KEYS", generateValue=False)),
    ("field-value", variable("API_KEYS", sync=True)),
    # Fields that conflict.
    ("free-disk", fields(plan="free")),
    ("no-disk", fields(disk=DROP)),
    ("disk-instances", fields(numInstances=2)),
    ("disk-scaling", fields(scaling={"minInstances": 1, "maxInstances": 3, "targetCPUPercent": 60})),
    ("mount-path", on_a_disk_at("/etc", "sqlite:///etc/orders.db")),
    ("mount-path", on_a_disk_at("/opt/render/project/src", "sqlite:///opt/render/project/src/orders.db")),
    ("mount-path", on_a_disk_at("/opt/render/project/src/data", "sqlite:///opt/render/project/src/data/orders.db")),
    ("mount-path", on_a_disk_at("/var/data/", "sqlite:///var/data/orders.db")),
    ("checks-wait", fields(autoDeployTrigger="checksPass")),
    ("drain", fields(maxShutdownDelaySeconds=24)),
    ("drain", variable("DRAIN_SECONDS", value="26")),
    # Needs of the service.
    ("health-path", fields(healthCheckPath="/health")),
    ("health-path", fields(healthCheckPath="/orders")),
    ("build-command", fields(buildCommand="cargo build --release")),
    ("build-command", fields(buildCommand="cargo build --locked")),
    ("build-command", fields(buildCommand="cargo build --release --locked && rm -rf src")),
    ("start-command", fields(startCommand="./target/debug/orders-inventory")),
    ("start-command", fields(startCommand="./target/release/orders-inventory | tee log")),
    # Variables.
    ("variable-source", variable("API_KEYS", generateValue=True, sync=False)),
    ("variable-source", variable("HOST", generateValue=True, value="0.0.0.0")),
    ("variable-twice", lambda service: service["envVars"].append({"key": "LOG_FORMAT", "value": "json"})),
    *[("variable-needed", variable(key)) for key in blueprint.NEEDED],
    ("variable-unknown", variable("LOG_FORMT", value="json")),
    ("variable-unknown", variable("NODE_VERSION", value="22")),
    ("variable-of-render", variable("PORT", value="10000")),
    ("variable-of-render", variable("RENDER", value="false")),
    ("variable-of-render", variable("RENDER_GIT_COMMIT", value="0")),
    ("variable-refused", variable("LOG_FORMAT", value="xml")),
    ("variable-refused", variable("ORDER_TTL_SECONDS", value="a day")),
    ("secret-written", variable("API_KEYS", value="letmein")),
    ("secret-written", variable("WEBHOOK_SECRET", value="hunter2")),
    ("secret-written", variable("WEBHOOK_SECRET_PREVIOUS", value="hunter1")),
    ("host", variable("HOST", value="127.0.0.1")),
    ("host", variable("HOST", sync=False)),
    ("database-disk", variable("DATABASE_URL", value="sqlite://data/orders-inventory.db")),
    ("database-disk", variable("DATABASE_URL", value="sqlite:///var/database/orders.db")),
    ("database-disk", variable("DATABASE_URL", value="sqlite:///var/data/../orders.db")),
    ("database-disk", variable("DATABASE_URL", sync=False)),
    ("toolchain", variable("RUSTUP_TOOLCHAIN", value="nightly")),
]
# Files that are not a blueprint of this service.
TEXTS = [
    ("not-yaml", "services: ["),
    ("not-yaml", "services: []\nservices: []\n"),
    ("one-service", ""),
    ("one-service", "services: []"),
    ("one-service", "- services"),
]


class Rules(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.around = blueprint.Around(os.environ["BIN"])
        cls.text = blueprint.FILE.read_text(encoding="utf-8")

    def broken(self, text, around=None):
        return sorted({rule for rule, _ in blueprint.problems(text, around or self.around)})

    def test_the_blueprint_keeps_all_rules(self):
        self.assertEqual([], blueprint.problems(self.text, self.around))

    def test_each_case_breaks_exactly_its_rules(self):
        for number, (rule, change) in enumerate(CASES):
            with self.subTest(rule=rule, number=number):
                document = copy.deepcopy(yaml.safe_load(self.text))
                change(document["services"][0])
                self.assertEqual([rule], self.broken(yaml.safe_dump(document)))

    def test_other_files_are_refused(self):
        for rule, text in TEXTS:
            with self.subTest(text=text):
                self.assertEqual([rule], self.broken(text))

    def test_an_unknown_key_at_the_root_is_refused(self):
        self.assertEqual(["field-unknown"], self.broken(self.text + "databases: []\n"))

    def test_the_toolchain_is_the_one_of_cargo(self):
        around = copy.copy(self.around)
        for channel in ["stable", "1.9", "1.96.0"]:
            around.toolchain = channel
            self.assertEqual(["toolchain"], self.broken(self.text, around))

    def test_every_rule_has_a_case(self):
        self.assertEqual(blueprint.RULES, {rule for rule, _ in CASES + TEXTS})


if __name__ == "__main__":
    unittest.main()
