"""Lowers openapi.yaml to a form that openapi-generator passes to the templates without loss.

openapi-generator drops parts of a contract before they reach its templates (`additionalProperties: false`, `not`, `null`
beside a default) and renames identifiers that it considers reserved. So, after check.py, this script rewrites the
contract: it inlines scalar schemas, and puts Rust types and doc lines into vendor extensions (`x-type`, `x-doc`,
`x-closed`, `x-not`, `x-request`). It leaves out links, documentation that no doc comment needs, and error responses,
which the server's one error type makes.

Nothing is refused here; check.py does that.

Usage: lower.py CONTRACT LOWERED NAMES
(reads YAML; writes the lowered contract as JSON, and the generator's options for names, one a line)
"""

import json
import sys
from decimal import Decimal

from check import check
from contract import METHODS, RUST_KEYWORDS, Contract, Unsupported, is_named, scalar_type, snake, variant

# Extensions that move from a parameter's schema to the parameter, where the templates see them.
PARAMETER_RULES = {"x-type", "x-length", "x-range", "x-pattern", "x-pattern-says"}


class Lowering:
    """The lowering of a contract that check.py accepted."""

    def __init__(self, contract):
        self.contract = contract
        self.document = contract.document
        self.schemas = {}  # the lowered components
        self.parameters = set()  # the names of all parameters

    def resolve(self, node, section="schemas"):
        """The node itself or the target of its `$ref`, and the component's name."""
        resolved, name, _ = self.contract.resolve(node, "", section)
        return resolved, name

    # --- schemas -----------------------------------------------------------------------------------------------------

    def value(self, node):
        """A member, item or parameter: an inlined scalar, or a reference to an enum or object."""
        schema, name = self.resolve(node)
        if is_named(schema):
            self.component(name)
            return reference(name)
        return scalar(schema)

    def member(self, node):
        schema, _ = self.resolve(node)
        if "anyOf" in schema:
            _, name = self.resolve(schema["anyOf"][0])
            self.component(name)
            self.mark_request(name)
            return with_doc({"type": "string", "x-type": "AnyJson"}, schema)
        if "x-values-of" in schema:
            self.component(schema["x-values-of"])
            lowered = {"type": "string", "nullable": True, "x-type": f"models::{schema['x-values-of']}"}
            return with_doc(lowered, schema)
        if schema["type"] == "array":
            lowered = {"type": "array", "items": self.value(schema["items"])}
            if rule := length(schema, "Items"):
                lowered["x-length"] = rule
            return with_doc(lowered, schema)
        return self.value(node)

    def component(self, name):
        if name not in self.schemas:
            schema = self.contract.schemas[name]
            self.schemas[name] = with_doc(enum(schema) if "enum" in schema else self.object(schema), schema)

    def object(self, schema):
        lowered = {"type": "object", "properties": {}, "required": schema.get("required", [])}
        if "additionalProperties" in schema:
            lowered["x-closed"] = True
        if "minProperties" in schema:
            lowered["minProperties"] = schema["minProperties"]
        for name, node in schema["properties"].items():
            member = lowered["properties"][name] = self.member(node)
            if name in RUST_KEYWORDS and "$ref" not in member:
                member["x-renamed"] = True  # failures must use the contract's name
        return lowered

    def mark_request(self, name):
        """Marks an object, and all that it contains, as read from a request."""
        schema = self.schemas[name]
        if schema.get("x-request") or "enum" in schema:
            return
        schema["x-request"] = True
        rules = {"x-pattern", "x-decimals-max", "x-not"}
        schema["x-rules"] = any(rules & member.keys() for member in schema["properties"].values())
        for member in schema["properties"].values():
            ref = member.get("$ref") or member.get("items", {}).get("$ref")
            if ref:
                self.mark_request(ref.split("/")[-1])

    # --- operations --------------------------------------------------------------------------------------------------

    def parameter(self, node):
        parameter, _ = self.resolve(node, "parameters")
        schema = self.value(parameter["schema"])
        schema.pop("x-doc", None)  # the parameter has its own
        lowered = {"name": parameter["name"], "in": parameter["in"], "required": parameter.get("required", False)}
        lowered |= {"schema": schema, "x-lines": parameter.get("x-lines", False)}
        lowered |= {k: v for k, v in schema.items() if k in PARAMETER_RULES}
        if "default" in schema:
            lowered["x-default"] = default_literal(schema["default"])
        return with_doc(lowered, parameter)

    def request_body(self, node):
        content = node["content"]["application/json"]
        _, name = self.resolve(content["schema"])
        self.component(name)
        self.mark_request(name)
        return {"required": True, "content": {"application/json": {"schema": reference(name)}}}

    def response(self, node):
        response, _ = self.resolve(node, "responses")
        lowered = {"description": response["description"], "headers": {}, "x-doc": doc_lines(response)}
        for name, node in response.get("headers", {}).items():
            header, _ = self.resolve(node, "headers")
            if not header.get("x-set-by-layer"):
                schema, _ = self.resolve(header["schema"])
                lowered["headers"][name] = {"required": header.get("required", False), "schema": scalar(schema)}
        content = response.get("content", {})
        for media, body in content.items():
            if media == "application/json":
                _, name = self.resolve(body["schema"])
                self.component(name)
                lowered["content"] = {media: {"schema": reference(name)}}
                lowered["x-json"] = True
                lowered["x-stored"] = response.get("x-stored", False)
            else:
                lowered["content"] = {media: {"schema": {"type": "string"}}}
                lowered["x-html"] = True
        lowered["x-bodiless"] = not content
        lowered["x-empty"] = not content and not lowered["headers"]
        return lowered

    def operation(self, operation, shared):
        parameters = [self.parameter(node) for node in shared + operation.get("parameters", [])]
        self.parameters |= {parameter["name"] for parameter in parameters}
        lowered = {key: operation[key] for key in ("tags", "operationId", "summary")}
        lowered |= {"parameters": parameters, "responses": {}}
        summary, more = " ".join(operation["summary"].split()) + ".", doc_lines(operation)
        lowered["x-doc"] = [summary, "", *more] if more else [summary]
        lowered["x-params"] = bool(parameters)
        lowered["x-rules"] = any("x-pattern" in parameter for parameter in parameters)
        for scheme in operation.get("security", self.document.get("security", [])):
            (lowered["x-security"],) = scheme
        # An operation without input that cannot answer 422 ignores its query.
        refuses = any(str(code) == "422" for code in operation["responses"])
        lowered["x-reads"] = bool(parameters) or "requestBody" in operation or refuses
        lowered["x-input"] = lowered["x-reads"] or "x-security" in lowered
        if "requestBody" in operation:
            lowered["requestBody"] = self.request_body(operation["requestBody"])
            lowered["x-with-bytes"] = operation["requestBody"].get("x-with-bytes", False)
            if "x-bytes-max" in operation["requestBody"]:
                lowered["x-bytes-max"] = str(operation["requestBody"]["x-bytes-max"])
        for code, node in operation["responses"].items():
            if str(code)[0] in "23":
                lowered["responses"][str(code)] = self.response(node)
        return lowered

    def path(self, item):
        shared = item.get("parameters", [])
        return {method: self.operation(item[method], shared) for method in METHODS if method in item}

    def all(self):
        paths = {path: self.path(item) for path, item in self.document["paths"].items()}
        for name, schema in self.contract.schemas.items():
            if is_named(schema):
                self.component(name)
        return {
            "openapi": self.document["openapi"],
            "info": {key: self.document["info"].get(key, "") for key in ("title", "version")},
            "tags": [
                {"name": tag["name"], "description": " ".join(tag["description"].split())} for tag in self.document["tags"]
            ],
            "paths": paths,
            "components": {
                "schemas": dict(sorted(self.schemas.items())),
                "securitySchemes": self.contract.components.get("securitySchemes", {}),
            },
        }

    def name_mappings(self):
        """Every member and parameter keeps its name, with the prefix `r_` where it is a Rust keyword."""
        members = {m for schema in self.schemas.values() for m in schema.get("properties", {})}
        return {
            "--name-mappings": {m: identifier(m) for m in sorted(members)},
            "--parameter-name-mappings": {p: identifier(snake(p)) for p in sorted(self.parameters)},
        }


def reference(name):
    return {"$ref": f"#/components/schemas/{name}"}


def identifier(name):
    return f"r_{name}" if name in RUST_KEYWORDS else name


def scalar(schema):
    """A scalar for the templates: its Rust type and its rules, without documentation."""
    lowered = {k: schema[k] for k in ("type", "format", "nullable", "default") if k in schema}
    lowered["x-type"] = scalar_type(schema)
    lowered |= {"x-length": length(schema, "Length"), "x-range": value_range(schema, lowered["x-type"])}
    if "not" in schema:
        lowered["x-not"] = ", ".join(map(str, schema["not"]["enum"]))
    if "x-decimals-max" in schema:
        lowered["x-decimals-max"] = str(schema["x-decimals-max"])
    if "pattern" in schema:
        lowered["x-pattern"] = rust_pattern(schema["pattern"])
    if "x-pattern-says" in schema:
        lowered["x-pattern-says"] = rust_string(schema["x-pattern-says"])
    return with_doc({key: value for key, value in lowered.items() if value != ""}, schema)


def enum(schema):
    return {"type": "string", "enum": schema["enum"], "x-enum-varnames": list(map(variant, schema["enum"]))}


def length(schema, of):
    """`minLength` and `maxLength`, or `minItems` and `maxItems`, as the arguments of `validator`'s rule."""
    bounds = {"min": schema.get(f"min{of}"), "max": schema.get(f"max{of}")}
    return ", ".join(f"{side} = {bound}" for side, bound in bounds.items() if bound is not None)


def value_range(schema, rust_type):
    """`minimum` and `maximum`, exclusive or not, as the arguments of `validator`'s rule."""
    arguments = []
    for side, keyword in (("min", "minimum"), ("max", "maximum")):
        if keyword in schema:
            exclusive = "exclusive_" if schema.get("exclusive" + keyword.capitalize()) else ""
            number = format(Decimal(schema[keyword]), "f")
            literal = f'const {{ Decimal::literal("{number}") }}' if rust_type == "Decimal" else number + rust_type
            arguments.append(f"{exclusive}{side} = {literal}")
    return ", ".join(arguments)


def default_literal(value):
    """A default as a Rust expression."""
    if isinstance(value, str):
        return rust_string(value) + ".to_owned()"
    return str(value).lower() if isinstance(value, bool) else str(value)


def rust_string(text):
    """A literal of Rust."""

    def character(c):
        if c in '"\\':
            return "\\" + c
        return c if c.isprintable() else f"\\u{{{ord(c):x}}}"

    return '"' + "".join(map(character, text)) + '"'


def rust_pattern(text):
    """A pattern as a Rust string literal, raw where possible, so that it stays readable."""
    return f'r"{text}"' if text.isprintable() and '"' not in text else rust_string(text)


def doc_lines(node):
    return [line.rstrip() for line in node.get("description", "").strip().splitlines()]


def with_doc(lowered, source):
    """Adds the description as a list of lines, since each needs its own `///`."""
    if doc_lines(source):
        lowered["x-doc"] = doc_lines(source)
    return lowered


def main(path, lowered, names):
    with open(path, encoding="utf-8") as file:
        contract = Contract(file.read())
    check(contract)
    lowering = Lowering(contract)
    with open(lowered, "w", encoding="utf-8") as file:
        json.dump(lowering.all(), file, indent=1)
    with open(names, "w", encoding="utf-8") as file:
        for option, mapping in lowering.name_mappings().items():
            if mapping:
                print(option, ",".join("=".join(pair) for pair in mapping.items()), sep="\n", file=file)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Unsupported as refusal:
        sys.exit(str(refusal))
