"""Lowers openapi.yaml to what the generator's template context can carry.

openapi-generator drops some of what a contract says on its way to the templates (`additionalProperties: false`, `not`,
`null` beside a default) and renames what it thinks is reserved. A rule that is dropped is a rule that nobody enforces,
so this step does three things before the generator runs:

* it **refuses**, with a JSON Pointer, every construct that the templates do not enforce: each kind of node has its
  list of keywords, each keyword its kind of value, and what is on neither is an error, vendor extensions included,
* it **drops** what binds nobody, once it is checked: documentation, and links from an answer to the next request, and
* it **rewrites** what they do enforce into a form that survives: scalar schemas stand where they are used, Rust types
  and doc lines are vendor extensions (`x-type`, `x-doc`, `x-closed`, `x-not`, `x-request`), and answers that are not a
  success are left to the server's one error type.

Requests are checked against their schemas. Answers are our own: their schemas make types, their bounds are promises
that the server keeps elsewhere.

Usage: lower.py CONTRACT LOWERED NAMES
(YAML in; the lowered contract out as JSON, and the generator's options for names, a line each)
"""

import json
import re
import sys
from decimal import Decimal, InvalidOperation

import yaml

METHODS = ("get", "put", "post", "delete", "patch")
WITH_BODY = ("put", "post", "patch")
DOCS = {"description", "example", "examples", "title", "externalDocs", "deprecated"}
SCALAR_KEYWORDS = {
    "string": {"format", "minLength", "maxLength", "pattern", "x-pattern-says", "enum"},
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
# What the generated modules import; a schema of such a name would hide it.
TAKEN_TYPES = set(
    "Box Clone Copy Debug Decimal Deserialize Draft Eq Err Failures Hash LazyLock None Object Ok Option PartialEq Pointer"
    " RawValue Read Regex Result Self Serialize Some String Text Timestamp Validate ValidationError Vec".split()
)
# What a parameter takes over from its schema, for that is where the templates see it.
PARAMETER_RULES = {"x-type", "x-length", "x-range", "x-pattern", "x-pattern-says"}
# Headers that OpenAPI 3.0 takes from elsewhere: declared as parameters they are ignored.
NOT_PARAMETERS = {"accept", "content-type", "authorization"}
# What a link hands on: a member of the answer's body, a header of the answer, or a parameter of the request.
HANDED_ON = re.compile(
    r"{\$(?:response\.body#/(?P<member>[a-z][a-z0-9_]*)|response\.header\.(?P<header>[A-Za-z][A-Za-z0-9-]*)"
    r"|request\.(?P<place>path|query|header)\.(?P<parameter>[A-Za-z][A-Za-z0-9_-]*))}"
)


class Unsupported(Exception):
    """A construct that the templates would silently drop."""


def refuse(at, why):
    raise Unsupported(f"openapi.yaml#{at}: {why}")


def below(at, key):
    """The JSON Pointer of a member."""
    return f"{at}/{str(key).replace('~', '~0').replace('/', '~1')}"


def is_count(value):
    return type(value) is int and value >= 0


def is_number(value):
    return type(value) in (int, Decimal)


def is_text(value):
    return isinstance(value, str)


KEYWORD_VALUES = {
    **dict.fromkeys(
        ("minLength", "maxLength", "minItems", "maxItems", "minProperties"), (is_count, "a whole number, 0 or more")
    ),
    **dict.fromkeys(("minimum", "maximum"), (is_number, "a number")),
    **dict.fromkeys(
        ("exclusiveMinimum", "exclusiveMaximum", "nullable", "x-set-by-layer", "x-with-bytes", "x-stored"),
        (lambda value: isinstance(value, bool), "true or false"),
    ),
    **dict.fromkeys(
        ("type", "format", "pattern", "x-pattern-says", "x-values-of", "description", "summary", "operationId", "name", "in"),
        (is_text, "a text"),
    ),
    **dict.fromkeys(
        ("properties", "items", "not", "schema", "content", "headers", "responses", "links", "paths", "info", "components"),
        (lambda value: isinstance(value, dict), "an object"),
    ),
    **dict.fromkeys(
        ("enum", "tags", "servers"), (lambda value: isinstance(value, list) and value, "a list of some length")
    ),
    "multipleOf": (lambda value: is_number(value) and value > 0, "a number above 0"),
}


def check(node, at, allowed, needed=()):
    """Refuses a node that is no object, that lacks what it needs, and every keyword that is neither allowed nor
    documentation or whose value is of another kind."""
    if not isinstance(node, dict):
        refuse(at, "must be an object")
    for key in needed:
        if key not in node:
            refuse(at, f"`{key}` is missing")
    for key, value in node.items():
        if key not in allowed and key not in needed and key not in DOCS:
            refuse(below(at, key), f"the templates do not support `{key}` here")
        fits, kind = KEYWORD_VALUES.get(key, (None, None))
        if fits and not fits(value):
            refuse(below(at, key), f"must be {kind}")


def numbered(node, key, at):
    """The items of a list, each with its JSON Pointer."""
    items = node.get(key, [])
    if not isinstance(items, list):
        refuse(below(at, key), "must be a list")
    return [(item, f"{at}/{key}/{index}") for index, item in enumerate(items)]


def check_pair(schema, at, low, high, strict=False):
    if low in schema and high in schema and (schema[low] > schema[high] or strict and schema[low] == schema[high]):
        refuse(below(at, low), f"is above `{high}`: nothing would fit")


class Contract:
    """The contract, with `$ref`s followed inside the document."""

    def __init__(self, document):
        self.document = document
        self.components = document.get("components", {})
        self.schemas = self.components.get("schemas", {})
        self.lowered = {}
        self.open = []  # the components that are being lowered, outermost first
        self.links = []  # the links of answers, each with its answer, its operation, and where it stands

    def resolve(self, node, at, section="schemas"):
        """The node itself, or what its `$ref` names; the component's name if it has one; and where the node stands."""
        name, seen = None, set()
        while isinstance(node, dict) and "$ref" in node:
            ref = node["$ref"]
            if len(node) > 1:
                refuse(at, "OpenAPI 3.0 ignores what stands beside `$ref`")
            prefix = f"#/components/{section}/"
            if not is_text(ref) or not ref.startswith(prefix):
                refuse(below(at, "$ref"), f"must name something under {prefix[1:]}")
            name = ref.removeprefix(prefix)
            if name not in (self.components.get(section) or {}):
                refuse(below(at, "$ref"), f"`{ref}` names nothing")
            if name in seen:
                refuse(below(at, "$ref"), f"`{ref}` leads back to itself")
            seen.add(name)
            node, at = self.components[section][name], ref[1:]
        if not isinstance(node, dict):
            refuse(at, "must be an object")
        return node, name, at

    # --- schemas -----------------------------------------------------------------------------------------------------

    def scalar(self, schema, at, default=False):
        """A scalar as the templates want it: checked, without documentation noise, with its Rust type."""
        kind = schema["type"]
        check(schema, at, SCALAR_KEYWORDS[kind] | {"type", "nullable"} | ({"default"} if default else set()))
        if "enum" in schema:
            refuse(below(at, "enum"), "give the enum a name under components/schemas and refer to it")
        lowered = {k: schema[k] for k in ("type", "format", "nullable", "default") if k in schema}
        lowered["x-type"] = self.scalar_type(schema, kind, at)
        self.check_bounds(schema, lowered["x-type"], at)
        lowered |= {"x-length": length(schema, "Length"), "x-range": value_range(schema, lowered["x-type"])}
        if "not" in schema:
            check(schema["not"], below(at, "not"), set(), needed=["enum"])
            refused = schema["not"]["enum"]
            if any(type(value) is not int or not fits(value, lowered["x-type"]) for value in refused):
                refuse(f"{at}/not/enum", f"must be of type {lowered['x-type']}")
            lowered["x-not"] = ", ".join(map(str, refused))
        if "multipleOf" in schema:
            lowered["x-multiple-of"] = format(Decimal(schema["multipleOf"]), "f")
        if "pattern" in schema:
            check_pattern(schema["pattern"], below(at, "pattern"))
            lowered["x-pattern"] = rust_pattern(schema["pattern"])
        if "x-pattern-says" in schema:
            if "pattern" not in schema:
                refuse(below(at, "x-pattern-says"), "there is no pattern here")
            lowered["x-pattern-says"] = rust_string(schema["x-pattern-says"])
        return with_doc({key: value for key, value in lowered.items() if value != ""}, schema)

    @staticmethod
    def check_bounds(schema, rust_type, at):
        for bound in ("minimum", "maximum"):
            exclusive = "exclusive" + bound.capitalize()
            if exclusive in schema and bound not in schema:
                refuse(below(at, exclusive), f"there is no `{bound}` here")
            if bound in schema and rust_type != "Decimal" and not fits(schema[bound], rust_type):
                refuse(below(at, bound), f"must be of type {rust_type}")
        for number in ("minimum", "maximum", "multipleOf"):
            if number in schema and rust_type == "Decimal" and not is_plain(schema[number]):
                refuse(below(at, number), "has more than 18 digits before or after the point")
        exclusive = schema.get("exclusiveMinimum") or schema.get("exclusiveMaximum")
        check_pair(schema, at, "minimum", "maximum", strict=exclusive)
        check_pair(schema, at, "minLength", "maxLength")

    @staticmethod
    def scalar_type(schema, kind, at):
        format_ = schema.get("format")
        if kind == "integer":
            if format_ not in INTEGERS:
                refuse(below(at, "format"), "an integer must say int32 or int64")
            return INTEGERS[format_]
        if kind == "string" and format_ == "date-time":
            if schema.keys() & {"minLength", "maxLength", "pattern"}:
                refuse(at, "a date-time takes no length or pattern")
            return "Timestamp"
        if format_ is not None:
            refuse(below(at, "format"), f"the templates do not support the format `{format_}`")
        return {"string": "String", "number": "Decimal", "boolean": "bool"}[kind]

    def value(self, node, at, default=False):
        """A member, item or parameter: a scalar, put in place, or a reference to an enum or object."""
        schema, name, where = self.resolve(node, at)
        kind = schema.get("type")
        if name and (kind == "object" or "enum" in schema):
            self.component(name)
            return {"$ref": f"#/components/schemas/{name}"}
        if is_text(kind) and kind in SCALAR_KEYWORDS:
            return self.scalar(schema, where, default)
        refuse(where, "must be a scalar, or a $ref to an enum or object under components/schemas")

    def member(self, node, at):
        schema, _, where = self.resolve(node, at)
        if "anyOf" in schema:
            return self.anything(schema, where)
        if "x-values-of" in schema:
            return self.enum_or_null(schema, where)
        if schema.get("type") != "array":
            return self.value(node, at)
        check(schema, where, {"type", "minItems", "maxItems", "nullable"}, needed=["items"])
        check_pair(schema, where, "minItems", "maxItems")
        if schema.get("nullable"):
            refuse(where, "an array is never null; leave it out or let it be empty")
        items = self.value(schema["items"], f"{where}/items")
        constraints = items.keys() - {"type", "format", "x-type", "x-doc"} - {"$ref"}
        if constraints:
            refuse(f"{where}/items", f"constraints on items ({', '.join(sorted(constraints))}) need an object of their own")
        lowered = {"type": "array", "items": items}
        if rule := length(schema, "Items"):
            lowered["x-length"] = rule
        return with_doc(lowered, schema)

    def anything(self, schema, at):
        """`anyOf: [an object, {}]`: any JSON, which the operation reads further where it expects that object."""
        check(schema, at, set(), needed=["anyOf"])
        shape = schema["anyOf"]
        if not isinstance(shape, list) or len(shape) != 2 or shape[1] != {}:
            refuse(below(at, "anyOf"), "must be a $ref to an object, and {} for everything else")
        shown, name, where = self.resolve(shape[0], f"{at}/anyOf/0")
        if not name or shown.get("type") != "object":
            refuse(where, "must be a $ref to an object under components/schemas")
        self.component(name)
        self.mark_request(name)
        return with_doc({"type": "string", "x-type": "AnyJson"}, schema)

    def enum_or_null(self, schema, at):
        """The values of a named enum, or null: OpenAPI 3.0 can only say it by naming the values again."""
        check(schema, at, {"type", "enum", "nullable"}, needed=["x-values-of"])
        name = schema["x-values-of"]
        values = self.schemas.get(name, {}).get("enum")
        if values is None:
            refuse(below(at, "x-values-of"), f"`{name}` is no enum under components/schemas")
        if schema.get("nullable") is not True or schema.get("enum") != [*values, None]:
            refuse(below(at, "enum"), f"must be nullable and have the values of {name}, and null")
        self.component(name)
        return with_doc({"type": "string", "nullable": True, "x-type": f"models::{name}"}, schema)

    def component(self, name):
        at = below("/components/schemas", name)
        if name in self.open:
            refuse(at, "a schema that contains itself has no bound on its depth")
        if name in self.lowered:
            return
        if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", name) or name in TAKEN_TYPES:
            refuse(at, "a schema's name is in PascalCase and none of the types that the templates use")
        self.open.append(name)
        schema = self.schemas[name]
        self.lowered[name] = with_doc(self.enum(schema, at) if "enum" in schema else self.object(schema, at), schema)
        self.open.pop()

    @staticmethod
    def enum(schema, at):
        check(schema, at, {"enum"}, needed=["type"])
        if schema["type"] != "string":
            refuse(below(at, "type"), "only strings can be enumerated")
        names = {}
        for index, value in enumerate(schema["enum"]):
            where = f"{at}/enum/{index}"
            if not is_text(value) or not re.fullmatch(r'[^"\\\x00-\x1f\x7f]+', value):
                refuse(where, "must be a text without quotation marks, backslashes and control characters")
            name = variant(value)
            if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", name) or name == "Self":
                refuse(where, f"`{name}` would be no name for a variant")
            if name in names:
                refuse(where, f"would be named `{name}`, as `{names[name]}` is")
            names[name] = value
        return {"type": "string", "enum": schema["enum"], "x-enum-varnames": list(names)}

    def object(self, schema, at):
        check(schema, at, {"required", "additionalProperties", "minProperties"}, needed=["type", "properties"])
        required = schema.get("required", [])
        if not isinstance(required, list) or len(set(map(str, required))) != len(required):
            refuse(below(at, "required"), "must be a list of different names")
        for member in required:
            if member not in schema["properties"]:
                refuse(below(at, "required"), f"`{member}` is not among the properties")
        if schema.get("additionalProperties", False) is not False:
            refuse(below(at, "additionalProperties"), "only `false` is supported")
        if not schema["properties"]:
            refuse(below(at, "properties"), "an object must have properties")
        lowered = {"type": "object", "properties": {}, "required": required}
        if "additionalProperties" in schema:
            lowered["x-closed"] = True
        if "minProperties" in schema:
            lowered["minProperties"] = schema["minProperties"]
            if "x-closed" in lowered and schema["minProperties"] > len(schema["properties"]):
                refuse(below(at, "minProperties"), "is above the number of properties: nothing would fit")
        for member, node in schema["properties"].items():
            where = below(f"{at}/properties", member)
            if not is_text(member) or not re.fullmatch(r"[a-z][a-z0-9_]*", member) or member in NO_RAW_IDENTIFIER:
                refuse(where, "members are snake_case")
            lowered["properties"][member] = self.member(node, where)
            if member in RUST_KEYWORDS and "$ref" not in lowered["properties"][member]:
                lowered["properties"][member]["x-renamed"] = True  # its failures must name it as the contract does
            if lowered["properties"][member].get("nullable") and member not in required:
                refuse(where, "a member that may be absent must not be null as well: one way to say nothing")
        return lowered

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
        parameter, _, at = self.resolve(node, at, "parameters")
        check(parameter, at, {"required"}, needed=["name", "in", "schema"])
        name, place = parameter["name"], parameter["in"]
        if place not in ("path", "query", "header"):
            refuse(below(at, "in"), f"the templates do not support parameters in `{place}`")
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name) or name in NO_RAW_IDENTIFIER:
            refuse(below(at, "name"), "must be made of letters, digits, `_` and `-`")
        if place == "header" and name.lower() in NOT_PARAMETERS:
            refuse(below(at, "name"), "OpenAPI 3.0 ignores a parameter of this name")
        required = parameter.get("required", False)
        if not isinstance(required, bool) or place == "path" and not required:
            refuse(below(at, "required"), "must be true or false, and true for a part of the path")
        schema = self.value(parameter["schema"], f"{at}/schema", default=place == "query")
        if self.lowered.get(schema.get("$ref", "").rsplit("/", 1)[-1], {}).get("type") == "object":
            refuse(f"{at}/schema", "a parameter is a scalar or an enum")
        if schema.get("nullable"):
            refuse(f"{at}/schema", "a parameter cannot be null")
        if "default" in schema and required:
            refuse(f"{at}/schema/default", "a required parameter has no use for a default")
        if schema.keys() & {"x-not", "x-multiple-of"}:
            refuse(f"{at}/schema", "the templates do not support `not` and `multipleOf` in parameters")
        schema.pop("x-doc", None)  # or it would be taken for the parameter's own
        lowered = {"name": name, "in": place, "required": required, "schema": schema}
        lowered |= {k: v for k, v in schema.items() if k in PARAMETER_RULES}
        if "default" in schema:
            whole, _, where = self.resolve(parameter["schema"], f"{at}/schema")
            lowered["x-default"] = default_literal(whole, schema["x-type"], below(where, "default"))
        return with_doc(lowered, parameter)

    def request_body(self, node, at):
        check(node, at, {"required", "x-with-bytes"}, needed=["content"])
        if node.get("required") is not True:
            refuse(at, "a request body must be required")
        if list(node["content"]) != ["application/json"]:
            refuse(f"{at}/content", "only application/json is supported")
        media, where = node["content"]["application/json"], f"{at}/content/application~1json"
        check(media, where, set(), needed=["schema"])
        schema, name, _ = self.resolve(media["schema"], f"{where}/schema")
        if not name or schema.get("type") != "object":
            refuse(f"{where}/schema", "must be a $ref to an object under components/schemas")
        self.component(name)
        self.mark_request(name)
        return {"required": True, "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}}

    def response_header(self, name, node, at):
        """A header of an answer; nothing where a layer around the router sets it."""
        header, _, at = self.resolve(node, at, "headers")
        check(header, at, {"required", "x-set-by-layer"}, needed=["schema"])
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", name) or name.lower() == "content-type":
            refuse(at, "must be made of letters, digits and `-`, and is not Content-Type, which follows from `content`")
        if not isinstance(header.get("required", False), bool):
            refuse(below(at, "required"), "must be true or false")
        schema, _, where = self.resolve(header["schema"], f"{at}/schema")
        if schema.get("type") not in ("string", "integer"):
            refuse(where, "a header is a string or an integer")
        schema = self.scalar(schema, where)
        if schema.get("nullable"):
            refuse(where, "a header cannot be null")
        if header.get("x-set-by-layer"):
            return None
        return {"required": header.get("required", False), "schema": schema}

    def response(self, node, code, at):
        response, _, at = self.resolve(node, at, "responses")
        check(response, at, {"headers", "content", "links", "x-stored"}, needed=["description"])
        headers = response.get("headers", {})
        lowered = {"description": response["description"], "headers": {}, "x-doc": doc_lines(response)}
        if len({name.lower() for name in headers}) != len(headers):
            refuse(f"{at}/headers", "two headers share a name")
        for name, header in headers.items():
            if header := self.response_header(name, header, below(f"{at}/headers", name)):
                lowered["headers"][name] = header
        content = response.get("content", {})
        if len(content) > 1:
            refuse(f"{at}/content", "one media type a response")
        if content and code in ("204", "205", "304"):
            refuse(f"{at}/content", f"an answer of status {code} has no body")
        for media, body in content.items():
            where = below(f"{at}/content", media)
            check(body, where, set(), needed=["schema"])
            schema, name, there = self.resolve(body["schema"], f"{where}/schema")
            if media == "application/json" and name and schema.get("type") == "object":
                self.component(name)
                lowered["content"] = {media: {"schema": {"$ref": f"#/components/schemas/{name}"}}}
                lowered["x-json"] = True
                lowered["x-stored"] = response.get("x-stored", False)
            elif media == "text/html" and schema.get("type") == "string":
                check(schema, there, {"type"})
                lowered["content"] = {media: {"schema": {"type": "string"}}}
                lowered["x-html"] = True
            else:
                refuse(where, "must be application/json with a $ref to an object, or text/html with a string")
        lowered["x-bodiless"] = not content
        lowered["x-empty"] = not content and not lowered["headers"]
        return lowered

    def check_link(self, node, answer, source, at):
        """A link is for clients only, so the templates never see it: what matters is that it leads somewhere."""
        link, _, at = self.resolve(node, at, "links")
        check(link, at, {"parameters", "requestBody"}, needed=["operationId"])
        name = link["operationId"]
        target = self.known.get(name)
        if target is None:
            refuse(below(at, "operationId"), f"there is no operation `{name}`")
        parameters, body = link.get("parameters", {}), link.get("requestBody")
        if not isinstance(parameters, dict):
            refuse(below(at, "parameters"), "must be an object")
        for parameter, value in parameters.items():
            where = below(f"{at}/parameters", parameter)
            if parameter not in {p["name"] for p in target["parameters"]}:
                refuse(where, f"`{name}` has no such parameter")
            self.check_handed_on(value, answer, source, where)
        if "requestBody" in link:
            where = below(at, "requestBody")
            if "requestBody" not in target:
                refuse(where, f"`{name}` takes no body")
            for member in body if isinstance(body, dict) else ():
                if member not in self.members(target["requestBody"]):
                    refuse(below(where, member), f"the body of `{name}` has no such member")
            self.check_handed_on(body, answer, source, where)

    def check_handed_on(self, value, answer, source, at):
        """Every `$…` in a link's value, alone or in braces inside a text, is something that the answer or request has."""
        if isinstance(value, (dict, list)):
            for key, item in value.items() if isinstance(value, dict) else enumerate(value):
                self.check_handed_on(item, answer, source, below(at, key))
        if not is_text(value):
            return
        for expression in [f"{{{value}}}"] if value.startswith("$") else re.findall(r"{\$[^}]*}?", value):
            found = HANDED_ON.fullmatch(expression)
            if not found:
                refuse(at, f"`{expression}` is not among what a link hands on (see HANDED_ON in lower.py)")
            there = {
                "member": self.members(answer),
                "header": answer["headers"],
                "parameter": {p["name"] for p in source["parameters"] if p["in"] == found["place"]},
            }
            for kind, names in there.items():
                if found[kind] and found[kind] not in names:
                    refuse(at, f"there is no {kind} `{found[kind]}` to hand on")

    def members(self, lowered):
        """The members of the object that a lowered body has; none where it is not JSON."""
        ref = lowered.get("content", {}).get("application/json", {}).get("schema", {}).get("$ref", "")
        return self.lowered.get(ref.rsplit("/", 1)[-1], {}).get("properties", {})

    def operation(self, operation, method, path, shared, at):
        needed = ["tags", "operationId", "summary", "responses"]
        check(operation, at, {"parameters", "requestBody", "security"}, needed)
        name = operation["operationId"]
        if not re.fullmatch(r"[a-z][A-Za-z0-9]*", name) or name in RUST_KEYWORDS or name.lower() in self.operations:
            refuse(below(at, "operationId"), "must be in camelCase, no keyword of Rust, and different from all others")
        self.operations.add(name.lower())
        if len(operation["tags"]) != 1 or operation["tags"][0] not in self.tags:
            refuse(below(at, "tags"), "an operation has exactly one tag, which the document describes")
        nodes = shared + numbered(operation, "parameters", at)
        parameters = [self.parameter(node, where) for node, where in nodes]
        names = [snake(p["name"]) for p in parameters]
        if len(set(names)) != len(names):
            refuse(f"{at}/parameters", "two parameters share a name")
        if {p["name"] for p in parameters if p["in"] == "path"} != set(re.findall(r"{(.*?)}", path)):
            refuse(f"{at}/parameters", "the path's parameters must be exactly those that the path names")
        self.parameters |= {p["name"] for p in parameters}
        lowered = {key: operation[key] for key in ("tags", "operationId", "summary")}
        lowered |= {"parameters": parameters, "responses": {}}
        summary, more = " ".join(operation["summary"].split()) + ".", doc_lines(operation)
        lowered["x-doc"] = [summary, "", *more] if more else [summary]
        lowered["x-params"] = bool(parameters)
        lowered["x-rules"] = any("x-pattern" in p for p in parameters)
        scheme = self.scheme(operation, at) if "security" in operation else self.default_scheme
        if scheme:
            lowered["x-security"] = scheme
        # An operation that has nothing to refuse has no opinion on its query either.
        refuses = any(str(code) == "422" for code in operation["responses"])
        lowered["x-reads"] = bool(parameters) or "requestBody" in operation or refuses
        lowered["x-input"] = lowered["x-reads"] or bool(scheme)
        if "requestBody" in operation:
            if method not in WITH_BODY:
                refuse(below(at, "requestBody"), f"a body has no meaning in {method.upper()}")
            lowered["requestBody"] = self.request_body(operation["requestBody"], f"{at}/requestBody")
            lowered["x-with-bytes"] = operation["requestBody"].get("x-with-bytes", False)
        for code, node in operation["responses"].items():
            where = below(f"{at}/responses", code)
            if not re.fullmatch(r"[2-5]\d\d", str(code)):
                refuse(where, "an answer has one status, from 200 to 599")
            if str(code) in lowered["responses"]:
                refuse(where, "stands twice, as a number and as a text")
            if str(code)[0] in "23":
                answer = lowered["responses"][str(code)] = self.response(node, str(code), where)
                response, _, there = self.resolve(node, where, "responses")
                for key, link in response.get("links", {}).items():
                    self.links.append((link, answer, lowered, below(f"{there}/links", key)))
        if not lowered["responses"]:
            refuse(f"{at}/responses", "an operation must be able to succeed")
        self.known[name] = lowered
        return lowered

    def path(self, path, item):
        at = below("/paths", path)
        check(item, at, {"parameters", *METHODS})
        if not re.fullmatch(r"(/([A-Za-z0-9._-]+|{[a-z][a-z0-9_]*}))+|/", path):
            refuse(at, "each part of a path is a plain word or one {parameter} in snake_case")
        shared = numbered(item, "parameters", at)
        return {m: self.operation(item[m], m, path, shared, f"{at}/{m}") for m in METHODS if m in item}

    def head(self):
        """Checks the document's own members; its tags, described."""
        document = self.document
        check(document, "", {"servers", "components", "security"}, needed=["openapi", "info", "tags", "paths"])
        if not re.fullmatch(r"3\.0\.\d+", str(document["openapi"])):
            refuse("/openapi", "must be 3.0: other versions mean other things by the same words")
        for index, server in enumerate(document.get("servers", [])):
            check(server, f"/servers/{index}", set(), needed=["url"])
            if not re.fullmatch(r"(https?://[^/{}]+)?/?", str(server["url"])):
                refuse(f"/servers/{index}/url", "the templates do not support a path or variables in a server's address")
        sections = {"schemas", "parameters", "headers", "responses", "links", "securitySchemes"}
        check(self.components, "/components", sections)
        self.schemes = self.components.get("securitySchemes", {})
        for name, scheme in self.schemes.items():
            where = below("/components/securitySchemes", name)
            check(scheme, where, set(), needed=["type", "in", "name"])
            if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", name):
                refuse(where, "a security scheme's name is in PascalCase")
            if (scheme["type"], scheme["in"]) != ("apiKey", "header"):
                refuse(below(where, "type"), "the templates support `apiKey` in `header` only")
        self.default_scheme = self.scheme(document, "") if "security" in document else None
        if not re.fullmatch(r'[^"\\\x00-\x1f\x7f]+', str(document["info"].get("title", ""))):
            refuse("/info/title", "must be a text of one line, without quotation marks and backslashes")
        for index, tag in enumerate(document["tags"]):
            check(tag, f"/tags/{index}", set(), needed=["name", "description"])
            if not re.fullmatch(r"[A-Z][A-Za-z]*( [A-Z][A-Za-z]*)*", tag["name"]):
                refuse(f"/tags/{index}/name", "must be words in PascalCase")
        return {tag["name"]: " ".join(tag["description"].split()) for tag in document["tags"]}

    def scheme(self, node, at):
        """The one security scheme that `security` asks for; None where it asks for none."""
        asked = node["security"]
        if asked == []:
            return None
        requirement = asked[0] if isinstance(asked, list) and len(asked) == 1 else None
        if not isinstance(requirement, dict) or len(requirement) != 1 or list(requirement.values()) != [[]]:
            refuse(below(at, "security"), "must ask for one scheme, without scopes, or for none")
        (name,) = requirement
        if name not in self.schemes:
            refuse(below(at, "security"), f"`{name}` is not under components/securitySchemes")
        return name

    def lower(self):
        self.tags, self.operations, self.parameters, self.known = self.head(), set(), set(), {}
        paths = {path: self.path(path, item) for path, item in self.document["paths"].items()}
        for name, schema in self.schemas.items():
            at = below("/components/schemas", name)
            if isinstance(schema, dict) and (schema.get("type") == "object" or "enum" in schema):
                self.component(name)
            else:
                self.value(schema, at)
        for link in self.links:  # only now are all operations known
            self.check_link(*link)
        return {
            "openapi": self.document["openapi"],
            "info": {key: self.document["info"].get(key, "") for key in ("title", "version")},
            "tags": [{"name": name, "description": text} for name, text in self.tags.items()],
            "paths": paths,
            "components": {"schemas": dict(sorted(self.lowered.items())), "securitySchemes": self.schemes},
        }

    def name_mappings(self):
        """Every member and parameter keeps its own name, with `r_` before it where it is a keyword of Rust."""
        members = {m for schema in self.lowered.values() for m in schema.get("properties", {})}
        return {
            "--name-mappings": {m: identifier(m) for m in sorted(members)},
            "--parameter-name-mappings": {p: identifier(snake(p)) for p in sorted(self.parameters)},
        }


def snake(name):
    """`pageSize`, `page-size` and `Page-Size` are all `page_size`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).replace("-", "_").lower()


def identifier(name):
    return f"r_{name}" if name in RUST_KEYWORDS else name


def fits(value, rust_type):
    """Whether an integer of the contract is one of the Rust type."""
    bits = int(rust_type[1:]) - 1
    return type(value) is int and -(2**bits) <= value < 2**bits


def is_plain(number):
    """Whether a number of the contract fits into the crate's Decimal."""
    return re.fullmatch(r"-?\d{1,18}(\.\d{1,18})?", format(Decimal(number), "f"))


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


# What a pattern may be made of: the part of regular expressions that Rust, ECMAScript and Python read alike. Left out
# are, with reason, `.`, `\d`, `\w`, `\s` and `\b` (lines and Unicode differ: U+0085 is a blank in Rust and Python, U+FEFF is one
# in ECMAScript), flags, look-around, back references, named groups, and `[`, `&&`, `--` and `~~` inside a class (sets in Rust).
ESCAPED = r"\\[nrt^$.*+?()\[\]{}|/\\-]"
PATTERN = re.compile(
    rf"""(?: [^\\\[\](){{}}*+?.|^$]               # a character
          | {ESCAPED} | [\^$|)] | \( (?: \?: | (?!\?) )
          | \[ (?!\^\]) \^? (?: (?!&&|--|~~) [^\\\[\]] | {ESCAPED} )+ \]
          | (?: [*+?] | {{ \d{{1,4}} (?: ,(?:\d{{1,4}})? )? }} ) \?? (?![*+?{{])
        )*""",
    re.VERBOSE,
)
REPEATS_MAX = 1000


def check_pattern(pattern, at):
    if not PATTERN.fullmatch(pattern):
        refuse(at, "not every reader of regular expressions reads this pattern alike (see PATTERN in lower.py)")
    try:
        re.compile(pattern)
    except re.error as error:
        refuse(at, f"is no regular expression: {error}")
    repeats = 1
    for least, most in re.findall(r"{(\d+),?(\d*)}", pattern):
        repeats *= max(int(most or least), 1)
    if repeats > REPEATS_MAX:
        refuse(at, f"repeats more than {REPEATS_MAX} times; say it with maxLength")


def rust_string(text):
    """A literal of Rust."""

    def character(c):
        if c in '"\\':
            return "\\" + c
        return c if c.isprintable() else f"\\u{{{ord(c):x}}}"

    return '"' + "".join(map(character, text)) + '"'


def rust_pattern(text):
    """The same, raw where that can be: a pattern is hard enough to read."""
    return f'r"{text}"' if text.isprintable() and '"' not in text else rust_string(text)


def default_literal(schema, rust_type, at):
    """The default as a Rust expression; it keeps the rules that it stands beside."""
    value = schema["default"]
    if rust_type in INTEGERS.values():
        if not fits(value, rust_type) or not in_bounds(value, schema):
            refuse(at, f"must be of type {rust_type} and within its own bounds")
        return str(value)
    if rust_type == "bool" and isinstance(value, bool):
        return str(value).lower()
    if rust_type == "String" and is_text(value):
        long = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
        # Without a line's end in it, a text matches in Python as it does in Rust.
        if not long or "\n" in value or not re.search(schema.get("pattern", ""), value):
            refuse(at, "breaks the rules that it stands beside")
        return rust_string(value) + ".to_owned()"
    refuse(at, f"the templates do not support this default of a {schema['type']}")


def in_bounds(value, schema):
    low, high = schema.get("minimum", value), schema.get("maximum", value)
    if schema.get("exclusiveMinimum") and value == low or schema.get("exclusiveMaximum") and value == high:
        return False
    return low <= value <= high


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
    try:
        return Decimal(loader.construct_scalar(node))
    except InvalidOperation:
        raise Unsupported(f"openapi.yaml: `{node.value}` in line {node.start_mark.line + 1} is no number of JSON") from None


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


def main(contract, lowered, names):
    with open(contract, encoding="utf-8") as file:
        document = yaml.load(file, Loader)
    tree = Contract(document)
    with open(lowered, "w", encoding="utf-8") as file:
        json.dump(tree.lower(), file, indent=1)
    with open(names, "w", encoding="utf-8") as file:
        for option, mapping in tree.name_mappings().items():
            if mapping:
                print(option, ",".join("=".join(pair) for pair in mapping.items()), sep="\n", file=file)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Unsupported as refusal:
        sys.exit(str(refusal))
