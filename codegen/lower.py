"""Lowers openapi.yaml to what the generator's template context can carry.

openapi-generator drops some of what a contract says on its way to the templates (`additionalProperties: false`, `not`,
`null` beside a default) and renames what it thinks is reserved. A rule that is dropped is a rule that nobody enforces,
so this step does two things before the generator runs:

* it **refuses**, with a JSON Pointer, every construct that the templates do not enforce (`check_*` below are the list
  of what they do), and
* it **rewrites** what they do enforce into a form that survives: scalar schemas stand where they are used, Rust types
  and doc lines are vendor extensions (`x-type`, `x-doc`, `x-closed`, `x-not`, `x-request`), and answers that are not a
  success are left to the server's one error type.

Usage: lower.py CONTRACT LOWERED NAMES   (YAML in; the lowered contract and the generator's name mappings out, as JSON)
"""

import json
import re
import sys
from decimal import Decimal

import yaml

METHODS = ("get", "put", "post", "delete", "patch")
DOCS = {"description", "example", "examples", "title", "externalDocs", "deprecated"}
SCALAR_KEYWORDS = {
    "string": {"format", "minLength", "maxLength", "pattern", "enum"},
    "integer": {"format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "not"},
    "number": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
    "boolean": set(),
}
INTEGERS = {"int32": "i32", "int64": "i64"}
RUST_KEYWORDS = set(
    "as async await become box break const continue crate do dyn else enum extern false final fn for gen if impl in let"
    " loop macro match mod move mut override priv pub ref return self static struct super trait true try type typeof"
    " unsafe unsized use virtual where while yield abstract".split()
)
NO_RAW_IDENTIFIER = {"crate", "self", "super", "Self"}


class Unsupported(Exception):
    """A construct that the templates would silently drop."""


def refuse(at, why):
    raise Unsupported(f"openapi.yaml#{at}: {why}")


def allow(node, at, allowed):
    """Refuses every keyword of `node` that is not in `allowed`, documentation or a vendor extension."""
    for key in node:
        if key not in allowed and key not in DOCS and not str(key).startswith("x-"):
            refuse(f"{at}/{key}", f"the templates do not support `{key}` here")


class Contract:
    """The contract, with `$ref`s followed inside the document."""

    def __init__(self, document):
        self.document = document
        self.schemas = document.get("components", {}).get("schemas", {})
        self.lowered = {}

    def resolve(self, node, at):
        """The node itself, or what its `$ref` names; and the schema's component name if it has one."""
        name = None
        while "$ref" in node:
            ref = node["$ref"]
            if len(node) > 1:
                refuse(at, "OpenAPI 3.0 ignores what stands beside `$ref`")
            if not ref.startswith("#/"):
                refuse(at, f"`{ref}` is not in this document")
            target = self.document
            for part in ref[2:].split("/"):
                if part not in target:
                    refuse(at, f"`{ref}` names nothing")
                target = target[part]
            name, node, at = ref.split("/")[-1], target, ref[1:]
        return node, name, at

    # --- schemas -----------------------------------------------------------------------------------------------------

    def scalar(self, schema, at, default=False):
        """A scalar as the templates want it: checked, without documentation noise, with its Rust type."""
        kind = schema.get("type")
        allow(schema, at, SCALAR_KEYWORDS[kind] | {"type", "nullable"} | ({"default"} if default else set()))
        if "enum" in schema:
            refuse(at, "give the enum a name under components/schemas and refer to it")
        lowered = {k: v for k, v in schema.items() if k not in DOCS}
        lowered["x-type"] = self.scalar_type(schema, kind, at)
        if "not" in schema:
            allow(schema["not"], f"{at}/not", {"enum"})
            lowered["x-not"] = ", ".join(str(value) for value in lowered.pop("not")["enum"])
        if '"' in schema.get("pattern", ""):
            refuse(f"{at}/pattern", "a quotation mark cannot stand in a pattern")
        if "multipleOf" in schema:
            lowered["x-multiple-of"] = str(lowered.pop("multipleOf"))
        if "pattern" in schema:
            lowered["x-pattern"] = schema["pattern"]
        return with_doc(lowered, schema)

    @staticmethod
    def scalar_type(schema, kind, at):
        format_ = schema.get("format")
        if kind == "integer":
            if format_ not in INTEGERS:
                refuse(f"{at}/format", "an integer must say int32 or int64")
            return INTEGERS[format_]
        if kind == "string" and format_ == "date-time":
            if schema.keys() & {"minLength", "maxLength", "pattern"}:
                refuse(at, "a date-time takes no length or pattern")
            return "Timestamp"
        if format_ is not None:
            refuse(f"{at}/format", f"the templates do not support the format `{format_}`")
        return {"string": "String", "number": "Decimal", "boolean": "bool"}[kind]

    def value(self, node, at, default=False):
        """A member, item or parameter: a scalar, put in place, or a reference to an enum or object."""
        schema, name, where = self.resolve(node, at)
        kind = schema.get("type")
        if name and (kind == "object" or "enum" in schema):
            self.component(name)
            return {"$ref": f"#/components/schemas/{name}"}
        if kind in SCALAR_KEYWORDS:
            return self.scalar(schema, where, default)
        refuse(where, "must be a scalar, or a $ref to an enum or object under components/schemas")

    def member(self, node, at):
        schema, _, where = self.resolve(node, at)
        if schema.get("type") != "array":
            return self.value(node, at)
        allow(schema, where, {"type", "items", "minItems", "maxItems", "nullable"})
        if schema.get("nullable"):
            refuse(where, "an array is never null; leave it out or let it be empty")
        items = self.value(schema["items"], f"{where}/items")
        constraints = items.keys() - {"type", "format", "x-type", "x-doc"} - {"$ref"}
        if constraints:
            refuse(f"{where}/items", f"constraints on items ({', '.join(sorted(constraints))}) need an object of their own")
        lowered = {k: v for k, v in schema.items() if k not in DOCS} | {"items": items}
        return with_doc(lowered, schema)

    def component(self, name):
        if name in self.lowered:
            return
        schema, at = self.schemas[name], f"/components/schemas/{name}"
        self.lowered[name] = {}  # stands here already for schemas that refer to themselves
        if "enum" in schema:
            allow(schema, at, {"type", "enum"})
            if schema.get("type") != "string":
                refuse(at, "only strings can be enumerated")
            lowered = {"type": "string", "enum": schema["enum"]}
            lowered["x-enum-varnames"] = [variant(value) for value in schema["enum"]]
        else:
            allow(schema, at, {"type", "properties", "required", "additionalProperties", "minProperties"})
            lowered = {"type": "object", "properties": {}, "required": schema.get("required", [])}
            if schema.get("additionalProperties", False) is not False:
                refuse(f"{at}/additionalProperties", "only `false` is supported")
            if "additionalProperties" in schema:
                lowered["x-closed"] = True
            if "minProperties" in schema:
                lowered["minProperties"] = schema["minProperties"]
            if not schema.get("properties"):
                refuse(at, "an object must have properties")
            for member, node in schema["properties"].items():
                where = f"{at}/properties/{member}"
                if not re.fullmatch(r"[a-z][a-z0-9_]*", member) or member in NO_RAW_IDENTIFIER:
                    refuse(where, "members are snake_case")
                lowered["properties"][member] = self.member(node, where)
                if lowered["properties"][member].get("nullable") and member not in lowered["required"]:
                    refuse(where, "a member that may be absent must not be null as well: one way to say nothing")
            for member in lowered["required"]:
                if member not in lowered["properties"]:
                    refuse(f"{at}/required", f"`{member}` is not among the properties")
        self.lowered[name] = with_doc(lowered, schema)

    def mark_request(self, name):
        """Marks an object, and all that it contains, as read from a request."""
        schema = self.lowered[name]
        if schema.get("x-request") or "enum" in schema:
            return
        schema["x-request"] = True
        rules = {"x-pattern", "x-multiple-of", "x-not"}
        schema["x-rules"] = any(rules & member.keys() for member in schema["properties"].values())
        for member in schema["properties"].values():
            ref = member.get("$ref") or member.get("items", {}).get("$ref")
            if ref:
                self.mark_request(ref.split("/")[-1])

    # --- operations --------------------------------------------------------------------------------------------------

    def parameter(self, node, at):
        parameter, _, at = self.resolve(node, at)
        allow(parameter, at, {"name", "in", "required", "schema"})
        place = parameter["in"]
        if place not in ("path", "query", "header"):
            refuse(f"{at}/in", f"the templates do not support parameters in `{place}`")
        schema = self.value(parameter["schema"], f"{at}/schema", default=place == "query")
        if schema.get("nullable"):
            refuse(f"{at}/schema", "a parameter cannot be null")
        if "default" in schema and parameter.get("required"):
            refuse(f"{at}/schema/default", "a required parameter has no use for a default")
        schema.pop("x-doc", None)  # or it would be taken for the parameter's own
        lowered = {"name": parameter["name"], "in": place, "required": parameter.get("required", False), "schema": schema}
        for keyword in ("x-not", "x-multiple-of"):
            if keyword in schema:
                refuse(f"{at}/schema", "the templates do not support `not` and `multipleOf` in parameters")
        lowered |= {k: schema[k] for k in ("x-type", "x-pattern", "x-pattern-says") if k in schema}
        if "default" in schema:
            lowered["x-default"] = default_literal(schema, at)
        return with_doc(lowered, parameter)

    def request_body(self, node, at):
        body, _, at = self.resolve(node, at)
        allow(body, at, {"required", "content"})
        if body.get("required") is not True:
            refuse(at, "a request body must be required")
        if list(body["content"]) != ["application/json"]:
            refuse(f"{at}/content", "only application/json is supported")
        media, where = body["content"]["application/json"], f"{at}/content/application~1json"
        allow(media, where, {"schema"})
        schema, name, _ = self.resolve(media["schema"], where)
        if not name or schema.get("type") != "object":
            refuse(f"{where}/schema", "must be a $ref to an object under components/schemas")
        self.component(name)
        self.mark_request(name)
        return {"required": True, "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}}

    def response(self, node, at):
        response, _, at = self.resolve(node, at)
        allow(response, at, {"headers", "content", "links"})
        lowered = {"description": response["description"], "headers": {}}
        for name, header in response.get("headers", {}).items():
            header, _, where = self.resolve(header, f"{at}/headers/{name}")
            allow(header, where, {"required", "schema"})
            if not header.get("x-set-by-layer"):
                schema, _, where = self.resolve(header["schema"], f"{where}/schema")
                if schema.get("type") not in ("string", "integer"):
                    refuse(where, "a header is a string or an integer")
                lowered["headers"][name] = {"required": header.get("required", False), "schema": self.scalar(schema, where)}
        content = response.get("content", {})
        if len(content) > 1:
            refuse(f"{at}/content", "one media type a response")
        for media, body in content.items():
            where = f"{at}/content/{media.replace('/', '~1')}"
            allow(body, where, {"schema"})
            schema, name, _ = self.resolve(body["schema"], f"{where}/schema")
            if media == "application/json" and name and schema.get("type") == "object":
                self.component(name)
                lowered["content"] = {media: {"schema": {"$ref": f"#/components/schemas/{name}"}}}
                lowered["x-json"] = True
            elif media == "text/html" and schema.get("type") == "string":
                lowered["content"] = {media: {"schema": {"type": "string"}}}
                lowered["x-html"] = True
            else:
                refuse(where, "must be application/json with a $ref to an object, or text/html with a string")
        lowered["x-bodiless"] = not content
        lowered["x-empty"] = not content and not lowered["headers"]
        return lowered

    def operation(self, operation, shared, at):
        allow(operation, at, {"tags", "operationId", "summary", "parameters", "requestBody", "responses"})
        if len(operation.get("tags", [])) != 1:
            refuse(f"{at}/tags", "an operation has exactly one tag")
        nodes = shared + [(n, f"{at}/parameters/{i}") for i, n in enumerate(operation.get("parameters", []))]
        parameters = [self.parameter(node, where) for node, where in nodes]
        names = [p["name"].replace("-", "_").lower() for p in parameters]
        if len(set(names)) != len(names):
            refuse(f"{at}/parameters", "two parameters share a name")
        lowered = {key: operation[key] for key in ("tags", "operationId", "summary")}
        lowered |= {"parameters": parameters, "responses": {}}
        lowered["x-doc"] = [operation["summary"] + ".", "", *doc_lines(operation)]
        lowered["x-params"] = bool(parameters)
        lowered["x-input"] = bool(parameters) or "requestBody" in operation
        lowered["x-query"] = any(p["in"] == "query" for p in parameters)
        lowered["x-rules"] = any("x-pattern" in p for p in parameters)
        if "requestBody" in operation:
            lowered["requestBody"] = self.request_body(operation["requestBody"], f"{at}/requestBody")
        for code, node in operation["responses"].items():
            if not re.fullmatch(r"[1-5]\d\d", str(code)):
                refuse(f"{at}/responses/{code}", "an answer has one status")
            if str(code)[0] in "23":
                lowered["responses"][str(code)] = self.response(node, f"{at}/responses/{code}")
        if not lowered["responses"]:
            refuse(f"{at}/responses", "an operation must be able to succeed")
        return lowered

    def lower(self):
        document = self.document
        allow(document, "", {"openapi", "info", "servers", "tags", "paths", "components", "security"})
        allow(document.get("components", {}), "/components", {"schemas", "parameters", "headers", "responses"})
        paths = {}
        for path, item in document["paths"].items():
            at = f"/paths/{path.replace('~', '~0').replace('/', '~1')}"
            allow(item, at, {"parameters", *METHODS})
            shared = [(node, f"{at}/parameters/{i}") for i, node in enumerate(item.get("parameters", []))]
            paths[path] = {m: self.operation(item[m], shared, f"{at}/{m}") for m in METHODS if m in item}
        for name in self.schemas:
            schema = self.schemas[name]
            if schema.get("type") == "object" or "enum" in schema:
                self.component(name)
            else:
                self.value(schema, f"/components/schemas/{name}")
        info = {key: document["info"][key] for key in ("title", "version")}
        components = {"schemas": dict(sorted(self.lowered.items()))}
        return {"openapi": document["openapi"], "info": info, "tags": document["tags"], "paths": paths, "components": components}

    def name_mappings(self):
        """Every member keeps its own name, as a raw identifier where it is a keyword of Rust."""
        members = {m for schema in self.lowered.values() for m in schema.get("properties", {})}
        return {m: f"r#{m}" if m in RUST_KEYWORDS else m for m in sorted(members)}


def default_literal(schema, at):
    """The default as a Rust expression."""
    kind, value = schema["type"], schema["default"]
    if kind == "integer" and isinstance(value, int):
        return str(value)
    if kind == "boolean" and isinstance(value, bool):
        return str(value).lower()
    if kind == "string" and schema["x-type"] == "String" and isinstance(value, str):
        return json.dumps(value, ensure_ascii=False) + ".to_owned()"
    refuse(f"{at}/schema/default", f"the templates do not support this default of a {kind}")


def doc_lines(node):
    return [line.rstrip() for line in node.get("description", "").strip().splitlines()]


def with_doc(lowered, source):
    """Descriptions reach the templates as lines, because a doc comment needs a prefix on each."""
    if doc_lines(source):
        lowered["x-doc"] = doc_lines(source)
    return lowered


def variant(value):
    """The enum value's words, those after the last slash, in PascalCase."""
    return "".join(word.capitalize() for word in re.split(r"[^A-Za-z0-9]+", value.rsplit("/", 1)[-1]) if word)


def exact(loader, node):
    """Numbers of the contract stay as written: 0.01 is not the nearest double."""
    return Decimal(loader.construct_scalar(node))


class Loader(yaml.SafeLoader):
    """YAML with exact numbers, and a refusal of keys that stand twice."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise Unsupported(f"openapi.yaml: `{key}` stands twice near line {node.start_mark.line + 1}")
        return super().construct_mapping(node, deep)


Loader.add_constructor("tag:yaml.org,2002:float", exact)
Loader.add_constructor("tag:yaml.org,2002:timestamp", yaml.SafeLoader.construct_yaml_str)


class Encoder(json.JSONEncoder):
    def default(self, value):
        return float(value) if isinstance(value, Decimal) else super().default(value)


def main(contract, lowered, names):
    with open(contract, encoding="utf-8") as file:
        document = yaml.load(file, Loader)
    tree = Contract(document)
    with open(lowered, "w", encoding="utf-8") as file:
        json.dump(tree.lower(), file, cls=Encoder, indent=1)
    with open(names, "w", encoding="utf-8") as file:
        json.dump(tree.name_mappings(), file, indent=1)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Unsupported as refusal:
        sys.exit(str(refusal))
