"""Tests that each rule of blueprint.py can fail: BIN=… python3 -m unittest discover tests/render

Each case breaks the real render.yaml, or render-postgres.yaml, in one place and expects exactly the named rules.
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
def database(**changes):
    """A change of the database of render-postgres.yaml."""
    def change(_service, database):
        for field, value in changes.items():
            if value is DROP:
                del database[field]
            else:
                database[field] = value
    return change


def of_service(change):
    return lambda service, _database: change(service)


def without_standby(plan):
    def change(service, of_render):
        database(highAvailability=DROP, plan=plan)(service, of_render)
        variable("ALLOW_ASYNC_REPLICATION")(service)
    return change


# The same of render-postgres.yaml.
STARTS = './target/release/orders-inventory'
POSTGRES_CASES = [
    ("field-unknown", database(readReplicas=[{"name": "one"}])),
    ("field-unknown", database(connectionPool="pgbouncer")),
    ("field-unknown", database(highAvailability={"enabled": True, "standbys": 2})),
    ("field-unknown", of_service(variable("DATABASE_URL", fromDatabase={"name": "orders-inventory-db", "property": "connectionString", "x": 1}))),
    ("field-missing", database(plan=DROP)),
    ("field-missing", database(ipAllowList=DROP)),
    ("field-missing", database(highAvailability={})),
    ("field-missing", of_service(variable("DATABASE_URL", fromDatabase={"name": "orders-inventory-db"}))),
    ("field-type", database(postgresMajorVersion=17)),
    ("field-type", database(highAvailability=True)),
    ("field-value", database(plan="starter")),
    ("field-value", database(plan="pro")),
    ("field-value", database(region="paris")),
    ("field-value", database(postgresMajorVersion="13")),
    ("field-value", database(diskSizeGB=12)),
    ("field-value", of_service(variable("DATABASE_URL", fromDatabase={"name": "orders-inventory-db", "property": "url"}))),
    ("database-disk-beside", of_service(fields(disk={"name": "data", "mountPath": "/var/data", "sizeGB": 1}))),
    ("database-instances", of_service(fields(numInstances=1))),
    ("database-instances", of_service(fields(numInstances=DROP))),
    ("database-region", database(region="ohio")),
    ("database-open", database(ipAllowList=[{"source": "0.0.0.0/0", "description": "everywhere"}])),
    ("database-plan", database(plan="basic-4gb")),
    ("database-plan", without_standby("pro-4gb")),
    ("async-replication", of_service(variable("ALLOW_ASYNC_REPLICATION"))),
    ("async-replication", of_service(variable("ALLOW_ASYNC_REPLICATION", value="false"))),
    ("async-replication", database(highAvailability=DROP, plan="basic-4gb")),
    ("database-url", of_service(variable("DATABASE_URL", value="sqlite:///var/data/orders-inventory.db"))),
    ("database-url", of_service(variable("DATABASE_URL", value="postgres://me:secret@elsewhere/shop"))),
    ("database-url", of_service(variable("DATABASE_URL", sync=False))),
    ("database-url", of_service(variable("DATABASE_URL", fromDatabase={"name": "another-db", "property": "connectionString"}))),
    ("database-url", of_service(variable("DATABASE_URL", fromDatabase={"name": "orders-inventory-db", "property": "connectionPoolString"}))),
    ("database-url", of_service(variable("RUST_LOG", fromDatabase={"name": "orders-inventory-db", "property": "host"}))),
    ("variable-needed", of_service(variable("DATABASE_URL"))),
    ("variable-refused", of_service(variable("LOG_FORMAT", value="xml"))),
    # Without an sslmode it would not trust the certificate, and as the shell's child it would not get SIGTERM.
    ("start-command", of_service(fields(startCommand=STARTS))),
    ("start-command", of_service(fields(startCommand=f'DATABASE_URL="$DATABASE_URL?sslmode=disable" {STARTS}; true'))),
    ("start-command", of_service(fields(startCommand=f'DATABASE_URL="$DATABASE_URL?sslmode=prefer" exec {STARTS}'))),
]
# Files that are not a blueprint of this service.
TEXTS = [
    ("not-yaml", "services: ["),
    ("not-yaml", "services: []\nservices: []\n"),
    ("one-service", ""),
    ("one-service", "services: []"),
    ("one-service", "- services"),
    ("one-database", "services: [{}]\ndatabases: []\n"),
    ("one-database", "services: [{}]\ndatabases: [{}, {}]\n"),
    ("one-database", "services: [{}]\ndatabases: {}\n"),
]


class Rules(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.around = blueprint.Around(os.environ["BIN"])
        cls.text = blueprint.FILE.read_text(encoding="utf-8")
        cls.postgres_text = blueprint.POSTGRES_FILE.read_text(encoding="utf-8")

    def broken(self, text, around=None):
        return sorted({rule for rule, _ in blueprint.problems(text, around or self.around)})

    def test_the_blueprints_keep_all_rules(self):
        self.assertEqual([], blueprint.problems(self.text, self.around))
        self.assertEqual([], blueprint.problems(self.postgres_text, self.around))

    def test_without_a_standby_nothing_needs_to_be_allowed(self):
        document = yaml.safe_load(self.postgres_text)
        without_standby("basic-1gb")(document["services"][0], document["databases"][0])
        self.assertEqual([], self.broken(yaml.safe_dump(document)))

    def test_several_instances_may_be_scaled(self):
        document = yaml.safe_load(self.postgres_text)
        fields(numInstances=DROP, scaling={"minInstances": 2, "maxInstances": 4})(document["services"][0])
        self.assertEqual([], self.broken(yaml.safe_dump(document)))

    def test_each_case_breaks_exactly_its_rules(self):
        for number, (rule, change) in enumerate(CASES):
            with self.subTest(rule=rule, number=number):
                document = copy.deepcopy(yaml.safe_load(self.text))
                change(document["services"][0])
                self.assertEqual([rule], self.broken(yaml.safe_dump(document)))

    def test_each_case_with_a_database_breaks_exactly_its_rules(self):
        for number, (rule, change) in enumerate(POSTGRES_CASES):
            with self.subTest(rule=rule, number=number):
                document = copy.deepcopy(yaml.safe_load(self.postgres_text))
                change(document["services"][0], document["databases"][0])
                self.assertEqual([rule], self.broken(yaml.safe_dump(document)))

    def test_other_files_are_refused(self):
        for rule, text in TEXTS:
            with self.subTest(text=text):
                self.assertEqual([rule], self.broken(text))

    def test_an_unknown_key_at_the_root_is_refused(self):
        self.assertEqual(["field-unknown"], self.broken(self.text + "envVarGroups: []\n"))

    def test_the_toolchain_is_the_one_of_cargo(self):
        around = copy.copy(self.around)
        for channel in ["stable", "1.9", "1.96.0"]:
            around.toolchain = channel
            self.assertEqual(["toolchain"], self.broken(self.text, around))

    def test_every_rule_has_a_case(self):
        self.assertEqual(blueprint.RULES, {rule for rule, _ in CASES + POSTGRES_CASES + TEXTS})


if __name__ == "__main__":
    unittest.main()
