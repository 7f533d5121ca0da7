#!/usr/bin/env python3
"""Checks render.yaml and render-postgres.yaml against Render's Blueprint reference and this service's needs:

    BIN=… tests/render/blueprint.py

It knows only the fields of a web service on the native Rust runtime, with a disk or with one PostgreSQL database. Any other
field is an error until it is looked up and added here. The reference: https://render.com/docs/blueprint-spec, /disks, /free,
/health-checks, /environment-variables, /postgresql-creating-connecting and /postgresql-high-availability. It uses no network;
the settings come from BIN.
"""

import os
import pathlib
import posixpath
import re
import subprocess
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FILE = ROOT / "render.yaml"
# The variant with several instances on a PostgreSQL database.
POSTGRES_FILE = ROOT / "render-postgres.yaml"

# The folder in which Render builds, and paths where it cannot mount a disk (folders below them are allowed).
SOURCE = "/opt/render/project/src"
NO_MOUNT = {"/", "/opt", "/opt/render", "/opt/render/project", SOURCE, "/home", "/home/render", "/etc", "/etc/secrets"}

# Each field: its type, and its allowed values. Unlike in Python, a `bool` is not an `int` here.
REQUIRED, OPTIONAL = True, False
SERVICE = {
    "type": (REQUIRED, str, {"web"}),
    "name": (REQUIRED, str, re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")),
    "runtime": (REQUIRED, str, {"rust"}),
    "plan": (REQUIRED, str, {"free", "starter", "standard", "pro", "pro plus", "pro max", "pro ultra"}),
    "region": (REQUIRED, str, {"frankfurt", "ohio", "oregon", "singapore", "virginia"}),
    "branch": (OPTIONAL, str, re.compile(r"\S+")),
    "buildCommand": (REQUIRED, str, re.compile(r".+")),
    "startCommand": (REQUIRED, str, re.compile(r".+")),
    "autoDeployTrigger": (REQUIRED, str, {"commit", "checksPass", "off"}),
    "healthCheckPath": (REQUIRED, str, re.compile(r"/\S*")),
    "maxShutdownDelaySeconds": (REQUIRED, int, range(1, 301)),
    "numInstances": (OPTIONAL, int, range(1, 101)),
    "scaling": (OPTIONAL, dict, None),
    "disk": (OPTIONAL, dict, None),
    "envVars": (REQUIRED, list, None),
}
DISK = {
    "name": (REQUIRED, str, re.compile(r"\S+")),
    "mountPath": (REQUIRED, str, re.compile(r"/.*")),
    "sizeGB": (REQUIRED, int, range(1, 100_000)),
}
SCALING = {
    "minInstances": (REQUIRED, int, range(1, 101)),
    "maxInstances": (REQUIRED, int, range(1, 101)),
    "targetCPUPercent": (OPTIONAL, int, range(1, 91)),
    "targetMemoryPercent": (OPTIONAL, int, range(1, 91)),
}
VARIABLE = {
    "key": (REQUIRED, str, re.compile(r"[A-Z][A-Z0-9_]*")),
    "value": (OPTIONAL, str, re.compile(r".+")),
    "generateValue": (OPTIONAL, bool, {True}),
    "sync": (OPTIONAL, bool, {False}),
    "fromDatabase": (OPTIONAL, dict, None),
}
FROM_DATABASE = {
    "name": (REQUIRED, str, re.compile(r"\S+")),
    "property": (REQUIRED, str, {"connectionString", "connectionPoolString", "host", "port", "user", "password", "database"}),
}
DATABASE = {
    "name": (REQUIRED, str, re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")),
    # Render refuses the older plans for a new database.
    "plan": (REQUIRED, str, re.compile(r"free|basic-(256mb|1gb|4gb)|(pro|accelerated)-\d+gb")),
    "region": (REQUIRED, str, SERVICE["region"][2]),
    # The service needs 14.
    "postgresMajorVersion": (REQUIRED, str, re.compile(r"1[4-8]")),
    "databaseName": (OPTIONAL, str, re.compile(r"[a-z][a-z0-9_]*")),
    "user": (OPTIONAL, str, re.compile(r"[a-z][a-z0-9_]*")),
    "diskSizeGB": (OPTIONAL, int, range(5, 16_001, 5)),
    "storageAutoscalingEnabled": (OPTIONAL, bool, None),
    # Without it the whole Internet may connect.
    "ipAllowList": (REQUIRED, list, None),
    "highAvailability": (OPTIONAL, dict, None),
}
HIGH_AVAILABILITY = {"enabled": (REQUIRED, bool, None)}
# Fields that one might expect, and why they are not allowed.
NOT_HERE = {
    "env": "the old name of runtime",
    "autoDeploy": "the old name of autoDeployTrigger",
    "pullRequestPreviewsEnabled": "the old name of previews.generation",
    "preDeployCommand": "runs without the disk; the service migrates its database when it starts",
    "dockerfilePath": "of the Docker runtime",
    "readReplicas": "the service reads from the primary only",
    "connectionPool": "the service needs sessions of its own",
}

# Required variables, and the names of secrets.
NEEDED = ["HOST", "DATABASE_URL", "API_KEYS", "WEBHOOK_SECRET", "TRUSTED_PROXIES"]
SECRET = re.compile(r"SECRET|KEY|TOKEN|PASSWORD")
# Variables of Render that users may set.
OF_RENDER = {"RUSTUP_TOOLCHAIN"}
# Variables that Render sets itself; a blueprint must not override them.
BY_RENDER = re.compile(r"PORT|RENDER|RENDER_\w+|IS_PULL_REQUEST")
# A URL as the start command makes it from Render's.
DATABASE_URL = "postgres://user:password@host/name?sslmode=disable"
# Render's plans of PostgreSQL that can have a standby.
WITH_STANDBY = re.compile(r"(pro|accelerated)-\d+gb")
# The time between the end of the drain and Render's SIGKILL, in which the database is closed.
CLOSE_SECONDS = 5

# Every rule by its name; test_blueprint.py has a broken blueprint for each.
RULES = {
    "not-yaml", "one-service", "one-database", "field-unknown", "field-missing", "field-type", "field-value", "free-disk", "no-disk",
    "disk-instances", "disk-scaling", "mount-path", "variable-source", "variable-twice", "variable-needed",
    "variable-unknown", "variable-of-render", "variable-refused", "secret-written", "host", "database-disk", "health-path",
    "build-command", "start-command", "drain", "checks-wait", "toolchain",
    "database-disk-beside", "database-instances", "database-region", "database-open", "database-plan", "database-url",
    "async-replication",
}


class Loader(yaml.SafeLoader):
    """Loads YAML and refuses duplicate keys."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if len(keys) != len(set(keys)):
            raise yaml.constructor.ConstructorError(None, None, "duplicate key", node.start_mark)
        return super().construct_mapping(node, deep)


class Around:
    """The files that a blueprint must agree with: the binary, the contract, Cargo.toml and rust-toolchain.toml."""

    def __init__(self, binary):
        settings = subprocess.run([binary, "--help"], env={}, capture_output=True, text=True, check=True, timeout=30).stdout
        self.binary = binary
        self.settings = set(re.findall(r"\[env: (\w+)", settings))
        self.drain_seconds = re.search(r"\[env: DRAIN_SECONDS=\]\s*\[default: (\d+)\]", settings)[1]
        contract = yaml.safe_load((ROOT / "openapi.yaml").read_text(encoding="utf-8"))
        closed = contract.get("security", [])
        # Possible health checks: GET without a key.
        gets = {path: item["get"] for path, item in contract["paths"].items() if "get" in item}
        self.open_paths = {path for path, operation in gets.items() if not operation.get("security", closed)}
        cargo = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
        self.package = re.search(r'^\[package\]\nname = "(.+)"$', cargo, re.MULTILINE)[1]
        self.rust_version = re.search(r'^rust-version = "(.+)"$', cargo, re.MULTILINE)[1]
        toolchain = (ROOT / "rust-toolchain.toml").read_text(encoding="utf-8")
        self.toolchain = re.search(r'^channel = "(.+)"$', toolchain, re.MULTILINE)[1]

    def refuses(self, variables):
        """The binary's error for these variables; nothing where it accepts them."""
        command = [self.binary, "openapi"]
        run = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=30, check=False)
        return "" if run.returncode == 0 else run.stderr.strip()


def problems(text, around):
    """Each problem of a blueprint, as the name of the rule and a sentence."""
    service, database, found = read(text)
    # Rules between fields need valid fields.
    if found:
        return found
    storage = of_database(service, database) if database else of_disk(service)
    return [*of_service(service, database, around), *storage, *of_variables(service, database, around)]


def read(text):
    """The service and the database of a blueprint, and the problems of single fields. The database may be None."""
    try:
        document = yaml.load(text, Loader)
    except yaml.YAMLError as error:
        return None, None, [("not-yaml", " ".join(str(error).split()))]
    services = document.get("services") if isinstance(document, dict) else None
    if not isinstance(services, list) or len(services) != 1 or not isinstance(services[0], dict):
        return None, None, [("one-service", "it must have `services`, a list of one service")]
    databases = document.get("databases", [None])
    if not isinstance(databases, list) or len(databases) != 1 or not isinstance(databases[0], dict | None):
        return None, None, [("one-database", "`databases`, if it is there, must be a list of one database")]
    found = [("field-unknown", f"{field}: not known at the root") for field in document if field not in ("services", "databases")]
    service, database = services[0], databases[0]
    found += shape(service, SERVICE, "")
    for field, fields in {"disk": DISK, "scaling": SCALING}.items():
        if isinstance(service.get(field), dict):
            found += shape(service[field], fields, f"{field}.")
    variables = service.get("envVars") if isinstance(service.get("envVars"), list) else []
    for place, variable in enumerate(variables):
        variable = variable if isinstance(variable, dict) else {}
        found += shape(variable, VARIABLE, f"envVars[{place}].")
        if isinstance(variable.get("fromDatabase"), dict):
            found += shape(variable["fromDatabase"], FROM_DATABASE, f"envVars[{place}].fromDatabase.")
    if database is not None:
        found += shape(database, DATABASE, "databases[0].")
        if isinstance(database.get("highAvailability"), dict):
            found += shape(database["highAvailability"], HIGH_AVAILABILITY, "databases[0].highAvailability.")
    return service, database, found


def shape(there, fields, place):
    """Unknown fields, missing fields and invalid values."""
    for field in there:
        if field not in fields:
            yield "field-unknown", f"{place}{field}: {NOT_HERE.get(field, 'not a field that this project knows')}"
    for field, (required, kind, allowed) in fields.items():
        if field not in there:
            if required:
                yield "field-missing", f"{place}{field}: is missing"
            continue
        value = there[field]
        if type(value) is not kind:
            hint = " (YAML takes a plain on, off, yes or no for one; put it in quotes)" if type(value) is bool else ""
            yield "field-type", f"{place}{field}: must be a {kind.__name__}, not a {type(value).__name__}{hint}"
        elif isinstance(allowed, re.Pattern):
            if not allowed.fullmatch(value):
                yield "field-value", f"{place}{field}: {value!r} does not look like one"
        elif allowed is not None and value not in allowed:
            choice = f"{allowed[0]} to {allowed[-1]}" if isinstance(allowed, range) else f"one of {sorted(allowed)}"
            yield "field-value", f"{place}{field}: {value!r} must be {choice}"


def start_command(database, package):
    """What starts the service. A database's URL gets its sslmode; the binary replaces the shell, so that SIGTERM reaches it."""
    binary = f"./target/release/{package}"
    return f'DATABASE_URL="$DATABASE_URL?sslmode=disable" exec {binary}' if database else binary


def of_service(service, database, around):
    if service["healthCheckPath"] not in around.open_paths:
        yield "health-path", f"healthCheckPath: {service['healthCheckPath']} is no GET of openapi.yaml that needs no key"
    build = service["buildCommand"].split()
    if build[:2] != ["cargo", "build"] or set(build[2:]) != {"--release", "--locked"}:
        yield "build-command", "buildCommand: must be cargo build with --release and --locked"
    if service["startCommand"] != (command := start_command(database, around.package)):
        yield "start-command", f"startCommand: must be {command}, alone, so that SIGTERM reaches it"
    if service["autoDeployTrigger"] == "checksPass":
        yield "checks-wait", "autoDeployTrigger: the check `deployed` waits for the deployment, so neither would ever begin"
    if around.toolchain != around.rust_version and not around.toolchain.startswith(around.rust_version + "."):
        yield "toolchain", f"rust-toolchain.toml has {around.toolchain}, Cargo.toml's rust-version is {around.rust_version}"


def of_disk(service):
    disk, plan = service.get("disk"), service["plan"]
    if disk is None:
        yield "no-disk", "disk: is missing, so each deploy and each restart would lose the database"
        return
    if plan == "free":
        yield "free-disk", "plan: a free instance cannot have a disk"
    if service.get("numInstances", 1) > 1:
        yield "disk-instances", "numInstances: a service with a disk has one instance"
    if "scaling" in service:
        yield "disk-scaling", "scaling: a service with a disk has one instance"
    path = disk["mountPath"]
    if path != posixpath.normpath(path) or path in NO_MOUNT:
        yield "mount-path", f"disk.mountPath: Render cannot mount a disk at {path}"
    elif within(path, SOURCE):
        yield "mount-path", f"disk.mountPath: {path} would lie over what the build puts into {SOURCE}"


def of_database(service, database):
    if "disk" in service:
        yield "database-disk-beside", "disk: it allows only one instance, and a deployment has a gap; the data is in the database"
    if service.get("numInstances", 1) < 2 and service.get("scaling", {}).get("minInstances", 1) < 2:
        yield "database-instances", "numInstances: one instance needs no database beside it; with a disk it costs less"
    if database["region"] != service["region"]:
        yield "database-region", "databases[0].region: must be the service's, or they are not in one private network"
    if database["ipAllowList"]:
        yield "database-open", "databases[0].ipAllowList: must be [], so that only Render's private network reaches it"
    if has_standby(database) and not WITH_STANDBY.fullmatch(database["plan"]):
        yield "database-plan", f"databases[0].plan: {database['plan']} cannot have a standby"
    if not has_standby(database) and WITH_STANDBY.fullmatch(database["plan"]):
        yield "database-plan", "databases[0].highAvailability: is off; then the database's server is what stops the shop"


def has_standby(database):
    return database.get("highAvailability", {}).get("enabled", False)


def of_variables(service, database, around):
    values = {}
    for variable in service["envVars"]:
        key = variable["key"]
        sources = [field for field in VARIABLE if field != "key" and field in variable]
        if len(sources) != 1:
            yield "variable-source", f"{key}: must have one of value, generateValue and sync, and has {sources}"
        if key in values:
            yield "variable-twice", f"{key}: is there twice"
        values[key] = variable.get("value")
        if BY_RENDER.fullmatch(key):
            yield "variable-of-render", f"{key}: is Render's to set"
        elif key not in around.settings | OF_RENDER:
            yield "variable-unknown", f"{key}: no setting of the service (its --help has them all), nor one of Render's"
        if SECRET.search(key) and variable.get("value") is not None:
            yield "secret-written", f"{key}: a secret is generated or asked for, never written down"
    for key in NEEDED:
        if key not in values:
            yield "variable-needed", f"{key}: is missing"

    written = {key: value for key, value in values.items() if value is not None}
    if database:
        yield from of_database_url(service, database)
        if has_standby(database) != (values.get("ALLOW_ASYNC_REPLICATION") == "true"):
            yield "async-replication", "ALLOW_ASYNC_REPLICATION: must be true with a standby, which Render does not wait for, and only then"
        written.setdefault("DATABASE_URL", DATABASE_URL)
    if "HOST" in values and values["HOST"] != "0.0.0.0":
        yield "host", "HOST: must be 0.0.0.0, or Render's proxy cannot reach the service"
    if not database and "disk" in service and "DATABASE_URL" in values:
        url, mount = values["DATABASE_URL"] or "", service["disk"]["mountPath"]
        path = url.removeprefix("sqlite://")
        if path == url or path != posixpath.normpath(path) or not within(path, mount):
            yield "database-disk", f"DATABASE_URL: must be sqlite://{mount}/…, on the disk"
    if (line := around.refuses(written)):
        yield "variable-refused", f"the service refuses them: {line}"
    toolchain = values.get("RUSTUP_TOOLCHAIN", around.toolchain)
    if toolchain != around.toolchain:
        yield "toolchain", f"RUSTUP_TOOLCHAIN: would override rust-toolchain.toml's {around.toolchain}"
    drain = written.get("DRAIN_SECONDS", around.drain_seconds)
    if drain.isdigit() and int(drain) + CLOSE_SECONDS > service["maxShutdownDelaySeconds"]:
        yield "drain", f"maxShutdownDelaySeconds: must be {CLOSE_SECONDS} more than DRAIN_SECONDS, which is {drain}"


def of_database_url(service, database):
    wanted = {"name": database["name"], "property": "connectionString"}
    for variable in service["envVars"]:
        if variable["key"] == "DATABASE_URL" and variable.get("fromDatabase") != wanted:
            yield "database-url", f"DATABASE_URL: must be fromDatabase, the connectionString of {database['name']}"
        elif variable["key"] != "DATABASE_URL" and "fromDatabase" in variable:
            yield "database-url", f"{variable['key']}: nothing but DATABASE_URL is the database's"


def within(path, folder):
    return path.startswith(folder.rstrip("/") + "/")


def main():
    around = Around(os.environ.get("BIN") or sys.exit("check-render: BIN must be the path of orders-inventory"))
    broken = False
    for file in [FILE, POSTGRES_FILE]:
        found = problems(file.read_text(encoding="utf-8"), around)
        for rule, sentence in found:
            print(f"{file.name}: {sentence} [{rule}]", file=sys.stderr)
        if not found:
            print(f"{file.name}: keeps all {len(RULES)} rules")
        broken = broken or bool(found)
    sys.exit(broken)


if __name__ == "__main__":
    main()
