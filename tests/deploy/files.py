"""Rules for Dockerfile, .dockerignore, compose.yaml and ops/orders-inventory.service, which check.py applies.

Each function yields a sentence for each problem. They read texts and not files, so that test_files.py can break each of them.
"""

import importlib.resources
import json
import pathlib
import re
import shlex
import subprocess
import tempfile

import jsonschema
import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SECRETS = ["API_KEYS", "WEBHOOK_SECRET"]
# The most that `systemd-analyze security` may say, in tenths. A unit without any protection has 96.
EXPOSURE_TENTHS_MAX = 20
SCHEMA = "builtin_schemas/vendor/compose-spec.json"
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


class Program:
    """The service's binary, which says what its settings are."""

    def __init__(self, binary):
        self.binary = binary
        text = subprocess.run([binary, "--help"], env={}, capture_output=True, text=True, check=True, timeout=30).stdout
        self.defaults = dict(re.findall(r"\[env: (\w+)=?\](?:\s*\[default: ([^]]*)\])?", text))

    def wrong(self, place, variables):
        """Variables that are no settings, and values that the service refuses."""
        for name in variables:
            if name not in self.defaults:
                yield f"{place}: {name} is not a setting of the service"
        command = [self.binary, "openapi"]
        run = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=30, check=False)
        if run.returncode != 0:
            yield f"{place}: the service says: {run.stderr.strip()}"


def seconds(text):
    """The seconds of a time such as 30s or 30."""
    return int(str(text).removesuffix("s"))


# Dockerfile and .dockerignore


def instructions(text):
    """The instructions of a Dockerfile, as pairs of a name and its arguments."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", "", lines)
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def image(text):
    """What the last stage of a Dockerfile sets: the last arguments of each instruction, and the environment."""
    found = instructions(text)
    last = max(index for index, (name, _) in enumerate(found) if name == "FROM")
    set_there = dict(found[last:])
    return set_there, dict(word.split("=", 1) for word in shlex.split(set_there.get("ENV", "")))


def context(ignore, root=ROOT):
    """The paths that .dockerignore leaves of the build's context, and its patterns that name none."""
    patterns = [line for line in ignore.splitlines() if line and not line.startswith("#")]
    if patterns[:1] != ["*"] or not all(pattern.startswith("!") for pattern in patterns[1:]):
        raise ValueError(".dockerignore: this check knows only * in the first line, and then lines with ! and a path")
    paths = [root / pattern[1:] for pattern in patterns[1:]]
    return [path for path in paths if path.exists()], [path.relative_to(root) for path in paths if not path.exists()]


def of_dockerfile(text, ignore, toolchain, program):
    yield from of_context(text, ignore)
    froms = [arguments.split()[0] for name, arguments in instructions(text) if name == "FROM"]
    version = re.search(r'^channel = "(.+)"$', toolchain, re.MULTILINE)[1]
    if froms[0] != f"rust:{version}-slim-bookworm":
        yield f"Dockerfile: {froms[0]} is not the version of rust-toolchain.toml, {version}, on slim-bookworm"
    # The binary runs with the glibc that it was linked to.
    if froms[1:] != ["debian:bookworm-slim"]:
        yield f"Dockerfile: the last stages are {froms[1:]}"
    there, variables = image(text)
    yield from program.wrong("Dockerfile", variables)
    if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", there.get("USER", "")):
        yield "Dockerfile: USER must be two numbers, not root's"
    if not variables.get("DATABASE_URL", "").startswith(f"sqlite://{there.get('VOLUME')}/"):
        yield "Dockerfile: DATABASE_URL is not in the VOLUME"
    if variables.get("HOST") != "0.0.0.0":
        yield "Dockerfile: nobody outside of a container reaches HOST"
    if there.get("EXPOSE") != variables.get("PORT"):
        yield "Dockerfile: EXPOSE is not PORT"
    if there.get("ENTRYPOINT") != '["orders-inventory"]' or there.get("STOPSIGNAL") != "SIGTERM":
        yield "Dockerfile: SIGTERM must reach the service itself, without a shell between"
    if any(secret in text for secret in SECRETS):
        yield "Dockerfile: secrets must not be in an image"


def of_context(text, ignore):
    """Whether cargo finds what it reads in the build's context; it has to be all there for `COPY . .`."""
    paths, missing = context(ignore)
    yield from (f".dockerignore: there is no {path}" for path in missing)
    copied = [arguments.split() for name, arguments in instructions(text) if name == "COPY" and "--from" not in arguments]
    if copied != [[".", "."]]:
        yield "Dockerfile: this check knows only COPY . . from the context"
    with tempfile.TemporaryDirectory() as folder:
        for path in paths:
            place = pathlib.Path(folder) / path.relative_to(ROOT)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(path)
        command = ["cargo", "metadata", "--locked", "--offline", "--no-deps", "--format-version=1"]
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
        if run.returncode != 0:
            yield f".dockerignore: cargo does not find all it reads: {' '.join(run.stderr.split())}"
        for needed in ["openapi.yaml", "build.rs", "src/main.rs", ".cargo/config.toml"]:
            if not (pathlib.Path(folder) / needed).exists():
                yield f".dockerignore: the build needs {needed}"
        for unwanted in ["rust-toolchain.toml", ".env", "data", "target", ".git"]:
            if (pathlib.Path(folder) / unwanted).exists():
                yield f".dockerignore: {unwanted} must not be in the context"


def health_command(text):
    """The words of the health check."""
    return json.loads(image(text)[0]["HEALTHCHECK"].split(" CMD ", 1)[1])


# compose.yaml


def interpolated(value, given):
    """A value of compose.yaml as Compose reads it with these variables: first YAML, then the variables in its texts."""
    if isinstance(value, dict):
        return {name: interpolated(member, given) for name, member in value.items()}
    if isinstance(value, list):
        return [interpolated(member, given) for member in value]
    if isinstance(value, str):
        return VARIABLE.sub(lambda found: given.get(found[1]) or (found[3] if found[2] == "-" else ""), value)
    return value


def of_compose(text, dockerfile, files, program):
    """`files` are the texts of ops/, by their paths."""
    required = [name for name, kind, _ in VARIABLE.findall(text) if kind == "?"]
    document = interpolated(yaml.safe_load(text), {name: "secret" for name in SECRETS})
    schema = json.loads((importlib.resources.files("check_jsonschema") / SCHEMA).read_text())
    wrong = list(jsonschema.validators.validator_for(schema)(schema).iter_errors(document))
    if wrong:
        yield from (f"compose.yaml: {'.'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in wrong)
        return
    if sorted(required) != sorted(SECRETS):
        yield f"compose.yaml: it requires {required}, and it must require {SECRETS}"
    services = document["services"]
    for name, service in services.items():
        yield from of_hardening(name, service)
        yield from of_mounts(name, service, document["volumes"])
    yield from of_service(services["service"], dockerfile, program)
    yield from of_monitoring(services, files)


def of_hardening(name, service):
    place = f"compose.yaml: {name}"
    if not service.get("read_only") or service.get("cap_drop") != ["ALL"]:
        yield f"{place}: its root must be read-only, and it needs no capability"
    if service.get("security_opt") != ["no-new-privileges:true"]:
        yield f"{place}: it must not get new privileges"
    if "build" not in service and not re.search(r":v?\d+\.\d", service["image"]):
        yield f"{place}: {service['image']} has no version"
    # The service's own is in the image.
    if "build" not in service and "healthcheck" not in service:
        yield f"{place}: it has no health check"
    for port in service.get("ports", []):
        if not port.startswith("127.0.0.1:"):
            yield f"{place}: port {port} is open to the network"
    # Only what is started by default may have no profile.
    if ("build" in service) == ("profiles" in service):
        yield f"{place}: the service has no profile, and everything else has one"


def of_mounts(name, service, volumes):
    for mount in service.get("volumes", []):
        source, target, *mode = mount.split(":")
        if source.startswith("./"):
            if not (ROOT / source).is_file():
                yield f"compose.yaml: {name}: there is no file {source}"
            if mode != ["ro"]:
                yield f"compose.yaml: {name}: {target} is not mounted read-only"
        elif source not in volumes:
            yield f"compose.yaml: {name}: there is no volume {source}"


def mounted(service):
    """The files of the project that a service mounts: the place in its container, and the path here."""
    mounts = [mount.split(":") for mount in service.get("volumes", [])]
    return {target: source.removeprefix("./") for source, target, *_ in mounts if source.startswith("./")}


def of_service(service, dockerfile, program):
    there, variables = image(dockerfile)
    # Compose gives an empty variable to the container, where it counts as unset; the binary sees the image's with it.
    yield from program.wrong("compose.yaml", variables | service["environment"])
    inside = service["ports"][0].split(":")[-1]
    if inside != variables["PORT"]:
        yield f"compose.yaml: the service listens on {variables['PORT']} and not on {inside}"
    if f"data:{there['VOLUME']}" not in service["volumes"]:
        yield "compose.yaml: the volume is not where the database is"
    if not service["environment"]["DATABASE_URL"].startswith(f"sqlite://{there['VOLUME']}/"):
        yield "compose.yaml: DATABASE_URL is not in the volume"
    if seconds(service["stop_grace_period"]) <= int(program.defaults["DRAIN_SECONDS"]):
        yield "compose.yaml: stop_grace_period must be longer than DRAIN_SECONDS"


def of_monitoring(services, files):
    """Whether Prometheus finds the service, and Grafana finds Prometheus and the dashboard."""
    ours, everywhere = (yaml.safe_load(files[path]) for path in ["ops/compose/prometheus.yml", "ops/prometheus.yml"])
    port = services["service"]["environment"]["METRICS_ADDR"].split(":")[-1]
    if ours["scrape_configs"][0].pop("static_configs") != [{"targets": [f"service:{port}"]}]:
        yield "ops/compose/prometheus.yml: its target is not METRICS_ADDR of the service"
    everywhere["scrape_configs"][0].pop("static_configs")
    if ours != everywhere:
        yield "ops/compose/prometheus.yml: more than the target differs from ops/prometheus.yml"
    prometheus, grafana = services["prometheus"], services["grafana"]
    [config] = [word.split("=")[1] for word in prometheus["command"] if word.startswith("--config.file=")]
    wanted = {config: "ops/compose/prometheus.yml"}
    wanted |= {str(pathlib.PurePath(config).parent / rules): f"ops/{rules}" for rules in ours["rule_files"]}
    if mounted(prometheus) != wanted:
        yield f"compose.yaml: prometheus mounts {mounted(prometheus)}, and it reads {wanted}"
    [source] = yaml.safe_load(files["ops/compose/grafana-datasource.yml"])["datasources"]
    if source["url"] != "http://prometheus:" + prometheus["ports"][0].split(":")[-1]:
        yield f"ops/compose/grafana-datasource.yml: no Prometheus is at {source['url']}"
    dashboard = json.loads(files["ops/grafana-dashboard.json"])
    queried = [variable["query"] for variable in dashboard["templating"]["list"] if variable["type"] == "datasource"]
    if queried != [source["type"]] or not source["isDefault"]:
        yield "ops/compose/grafana-datasource.yml: the dashboard does not find it by its type"
    [provider] = yaml.safe_load(files["ops/compose/grafana-dashboards.yml"])["providers"]
    home = f"{provider['options']['path']}/orders-inventory.json"
    provisioning = "/etc/grafana/provisioning"
    wanted = {
        f"{provisioning}/datasources/prometheus.yml": "ops/compose/grafana-datasource.yml",
        f"{provisioning}/dashboards/orders-inventory.yml": "ops/compose/grafana-dashboards.yml",
        home: "ops/grafana-dashboard.json",
    }
    if mounted(grafana) != wanted or grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] != home:
        yield f"compose.yaml: grafana mounts {mounted(grafana)}, and it reads {wanted}"


# ops/orders-inventory.service


def of_unit(text, program, analyze):
    """`analyze` is the program systemd-analyze."""
    set_there = dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))
    variables = dict(line.split("=", 1) for line in re.findall(r"^Environment=(.*)$", text, re.MULTILINE))
    yield from program.wrong("unit", variables)
    if not variables.get("DATABASE_URL", "").startswith(f"sqlite:///var/lib/{set_there['StateDirectory']}/"):
        yield "unit: DATABASE_URL is not in StateDirectory"
    if int(set_there["TimeoutStopSec"]) <= int(program.defaults["DRAIN_SECONDS"]):
        yield "unit: TimeoutStopSec must be longer than DRAIN_SECONDS"
    if int(set_there["LimitNOFILE"]) < int(program.defaults["CONNECTIONS_MAX"]) + 1000:
        yield "unit: LimitNOFILE leaves too few files beside CONNECTIONS_MAX"
    if set_there.get("ProcSubset") == "pid":
        yield "unit: ProcSubset=pid hides process_start_time_seconds from the metrics"
    with tempfile.TemporaryDirectory() as folder:
        unit = pathlib.Path(folder) / "orders-inventory.service"
        unit.write_text(text.replace("/usr/local/bin/orders-inventory", str(program.binary)))
        # Without its option `verify` would also tell problems of the system's own units, which this one names.
        for arguments in [["verify", "--recursive-errors=no"], ["security", "--offline=true", f"--threshold={EXPOSURE_TENTHS_MAX}"]]:
            run = subprocess.run([analyze, *arguments, unit], capture_output=True, text=True, timeout=60, check=False)
            if run.returncode != 0:
                said = run.stderr or run.stdout.strip().splitlines()[-1]
                yield f"unit: systemd-analyze {arguments[0]}: {said.strip()}"
