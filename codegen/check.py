"""Refuses, with a JSON Pointer, every construct of the contract that the templates do not enforce.

openapi-generator drops some rules of a contract before they reach its templates, and a dropped rule is not enforced. So
each kind of node has a list of allowed keywords, and each keyword a kind of value. Everything else is an error, vendor
extensions included. The generated code checks requests against their schemas. It does not check responses: the server
keeps their bounds.
"""

import re
from decimal import Decimal

from contract import INTEGERS, METHODS, RUST_KEYWORDS, below, constant, is_named, refuse, scalar_type, snake, variant

WITH_BODY = ("put", "post", "patch")
DOCS = {"description", "example", "examples", "title", "externalDocs", "deprecated"}
SCALAR_KEYWORDS = {
    "string": {"format", "minLength", "maxLength", "pattern", "x-pattern-says", "enum"},
    "integer": {"format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "not"},
    "number": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "x-decimals-max"},
    "boolean": set(),
}
NO_RAW_IDENTIFIER = {"crate", "self", "super", "Self"}
# Names that the generated modules import; a schema with such a name would shadow the import.
TAKEN_TYPES = set(
    "Box Clone Copy Debug Decimal Deserialize Draft Eq Err Failures Hash LazyLock None Object Ok Option PartialEq Pointer"
    " RawValue Read Regex Result Self Serialize Some String Text Timestamp Validate ValidationError Vec".split()
)
# The most decimals of the runtime's Decimal.
DECIMALS_MAX = 18
# Headers that OpenAPI 3.0 ignores when they are declared as parameters.
NOT_PARAMETERS = {"accept", "content-type", "authorization"}
# The runtime expressions of a link: a member of the response's body, a header of the response, a parameter of the request.
LINK_EXPRESSION = re.compile(
    r"{\$(?:response\.body#/(?P<member>[a-z][a-z0-9_]*)|response\.header\.(?P<header>[A-Za-z][A-Za-z0-9-]*)"
    r"|request\.(?P<place>path|query|header)\.(?P<parameter>[A-Za-z][A-Za-z0-9_-]*))}"
)


def is_count(value):
    return type(value) is int and value >= 0


def is_number(value):
    return type(value) in (int, Decimal)


def is_text(value):
    return isinstance(value, str)


KEYWORD_VALUES = {
    **dict.fromkeys(
        ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "x-bytes-max"), (is_count, "a whole number, 0 or more")
    ),
    **dict.fromkeys(("minimum", "maximum"), (is_number, "a number")),
    **dict.fromkeys(
        ("exclusiveMinimum", "exclusiveMaximum", "nullable", "x-lines", "x-set-by-layer", "x-with-bytes", "x-stored"),
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
        ("enum", "tags", "servers", "x-enum-varnames"), (lambda value: isinstance(value, list) and value, "a list with at least one item")
    ),
    "x-decimals-max": (lambda value: is_count(value) and value <= DECIMALS_MAX, "a whole number from 0 to 18"),
}


def check_node(node, at, allowed, needed=()):
    """Refuses a node that is not an object or lacks a needed keyword, every keyword that is neither allowed nor
    documentation, and every value of another kind than its keyword's."""
    if not isinstance(node, dict):
        refuse(at, "must be an object")
    for key in needed:
        if key not in node:
            refuse(at, f"`{key}` is missing")
    for key, value in node.items():
        if key not in allowed and key not in needed and key not in DOCS:
            refuse(below(at, key), f"the templates do not support `{key}` here")
        fits_kind, kind = KEYWORD_VALUES.get(key, (None, None))
        if fits_kind and not fits_kind(value):
            refuse(below(at, key), f"must be {kind}")


def numbered(node, key, at):
    """The items of a list, each with its JSON Pointer."""
    items = node.get(key, [])
    if not isinstance(items, list):
        refuse(below(at, key), "must be a list")
    return [(item, f"{at}/{key}/{index}") for index, item in enumerate(items)]


def check_pair(schema, at, low, high, strict=False):
    if low in schema and high in schema and (schema[low] > schema[high] or strict and schema[low] == schema[high]):
        refuse(below(at, low), f"is above `{high}`: no value would be valid")


def fits(value, rust_type):
    """Whether an integer of the contract is in the Rust type's range."""
    bits = int(rust_type[1:]) - 1
    return type(value) is int and -(2**bits) <= value < 2**bits


def is_plain(number):
    """Whether a number of the contract fits into the runtime's Decimal."""
    return re.fullmatch(r"-?\d{1,18}(\.\d{1,18})?", format(Decimal(number), "f"))


# --- scalars ----------------------------------------------------------------------------------------------------------


def check_scalar(schema, at, default=False):
    kind = schema["type"]
    check_node(schema, at, SCALAR_KEYWORDS[kind] | {"type", "nullable"} | ({"default"} if default else set()))
    if "enum" in schema:
        refuse(below(at, "enum"), "give the enum a name under components/schemas and refer to it")
    check_format(schema, kind, at)
    rust_type = scalar_type(schema)
    check_bounds(schema, rust_type, at)
    if "not" in schema:
        check_node(schema["not"], below(at, "not"), set(), needed=["enum"])
        if any(not fits(value, rust_type) for value in schema["not"]["enum"]):
            refuse(f"{at}/not/enum", f"must be of type {rust_type}")
    if "pattern" in schema:
        check_pattern(schema["pattern"], below(at, "pattern"))
    if "x-pattern-says" in schema and "pattern" not in schema:
        refuse(below(at, "x-pattern-says"), "there is no pattern here")


def check_format(schema, kind, at):
    format_ = schema.get("format")
    if kind == "integer":
        if format_ not in INTEGERS:
            refuse(below(at, "format"), "an integer must say int32 or int64")
    elif kind == "string" and format_ == "date-time":
        if schema.keys() & {"minLength", "maxLength", "pattern"}:
            refuse(at, "a date-time takes no length or pattern")
    elif format_ is not None:
        refuse(below(at, "format"), f"the templates do not support the format `{format_}`")


def check_bounds(schema, rust_type, at):
    for bound in ("minimum", "maximum"):
        exclusive = "exclusive" + bound.capitalize()
        if exclusive in schema and bound not in schema:
            refuse(below(at, exclusive), f"there is no `{bound}` here")
        if bound in schema and rust_type != "Decimal" and not fits(schema[bound], rust_type):
            refuse(below(at, bound), f"must be of type {rust_type}")
    for number in ("minimum", "maximum"):
        if number in schema and rust_type == "Decimal" and not is_plain(schema[number]):
            refuse(below(at, number), "has more than 18 digits before or after the point")
    exclusive = schema.get("exclusiveMinimum") or schema.get("exclusiveMaximum")
    check_pair(schema, at, "minimum", "maximum", strict=exclusive)
    check_pair(schema, at, "minLength", "maxLength")


# The syntax of patterns that has the same meaning in Rust, ECMAScript and Python. Excluded are `.`, `\d`, `\w`, `\s` and
# `\b` (line ends and Unicode differ: U+0085 is white space in Rust and Python, U+FEFF in ECMAScript), flags, look-around,
# back references, named groups, and `[`, `&&`, `--` and `~~` inside a class (set operations in Rust). A character that is
# not visible ASCII or a space is spelled \xHH or \uHHHH: generators copy patterns into source code, where U+2028 ends a line.
# Some of them replace \uHHHH by the character, so that the ends of lines have no such spelling; a range can include them.
ESCAPED = r"\\(?:[nrt^$.*+?()\[\]{}|/\\-]|x[0-9a-fA-F]{2}|u(?!00|202[89]|[dD][89a-fA-F])[0-9a-fA-F]{4})"
PATTERN = re.compile(
    rf"""(?: [ -~](?<![\\\[\](){{}}*+?.|^$])       # a character
          | {ESCAPED} | [\^$|)] | \( (?: \?: | (?!\?) )
          | \[ (?!\^\]) \^? (?: (?!&&|--|~~) [ -~](?<![\\\[\]]) | {ESCAPED} )+ \]
          | (?: [*+?] | {{ \d{{1,4}} (?: ,(?:\d{{1,4}})? )? }} ) \?? (?![*+?{{])
        )*""",
    re.VERBOSE,
)
REPEATS_MAX = 1000


def check_pattern(pattern, at):
    if not PATTERN.fullmatch(pattern):
        refuse(at, "regular expression engines differ on this pattern (see PATTERN in check.py)")
    try:
        re.compile(pattern)
    except re.error as error:
        refuse(at, f"is not a regular expression: {error}")
    repeats = 1
    for least, most in re.findall(r"{(\d+),?(\d*)}", pattern):
        repeats *= max(int(most or least), 1)
    if repeats > REPEATS_MAX:
        refuse(at, f"repeats more than {REPEATS_MAX} times; use maxLength instead")


def check_default(schema, at):
    """A default must be valid under its own schema."""
    value, rust_type = schema["default"], scalar_type(schema)
    if rust_type in INTEGERS.values():
        if not fits(value, rust_type) or not in_bounds(value, schema):
            refuse(at, f"must be of type {rust_type} and within its own bounds")
    elif rust_type == "String" and is_text(value):
        long = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
        # Python's `$` also matches before a final line end; without one in the text, Python matches as Rust does.
        if not long or "\n" in value or not re.search(schema.get("pattern", ""), value):
            refuse(at, "is not valid under its own schema")
    elif not (rust_type == "bool" and isinstance(value, bool)):
        refuse(at, f"the templates do not support this default of a {schema['type']}")


def in_bounds(value, schema):
    low, high = schema.get("minimum", value), schema.get("maximum", value)
    if schema.get("exclusiveMinimum") and value == low or schema.get("exclusiveMaximum") and value == high:
        return False
    return low <= value <= high


def check_enum(schema, at):
    check_node(schema, at, {"enum", "x-enum-varnames"}, needed=["type"])
    if schema["type"] != "string":
        refuse(below(at, "type"), "only strings can be enumerated")
    names = {}
    for index, value in enumerate(schema["enum"]):
        where = f"{at}/enum/{index}"
        if not is_text(value) or not re.fullmatch(r'[^"\\\x00-\x1f\x7f]+', value):
            refuse(where, "must be a text without quotation marks, backslashes and control characters")
        name = variant(value)
        if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", name) or name == "Self":
            refuse(where, f"the variant would be named `{name}`, which Rust does not allow")
        if name in names:
            refuse(where, f"the variant would be named `{name}`, as the one of `{names[name]}` is")
        names[name] = value
    # The templates name the variants themselves; these are the names in generated clients.
    constants = list(map(constant, schema["enum"]))
    if schema.get("x-enum-varnames", constants) != constants:
        refuse(below(at, "x-enum-varnames"), f"must be {', '.join(constants)}")


class Operation:
    """The parts of an operation that links refer to."""

    def __init__(self, parameters, body):
        self.parameters = parameters  # (name, place) of each
        self.body = body  # the name of its body's schema, if it has a body


class Answer:
    """The parts of a response that links refer to."""

    def __init__(self, schema, headers):
        self.schema = schema  # the name of its body's schema, if it is JSON
        self.headers = headers


class Check:
    """One walk through the contract."""

    def __init__(self, contract):
        self.contract = contract
        self.document, self.schemas = contract.document, contract.schemas
        self.checked = set()  # the components that passed
        self.open = []  # the components being checked, outermost first
        self.operations = {}
        self.links = []  # the links of responses, each with its response, its operation and its JSON Pointer

    # --- schemas -----------------------------------------------------------------------------------------------------

    def value(self, node, at, default=False):
        """A member, item or parameter: a scalar, or a reference to an enum or object."""
        schema, name, where = self.contract.resolve(node, at)
        kind = schema.get("type")
        if name and is_named(schema):
            self.component(name)
        elif is_text(kind) and kind in SCALAR_KEYWORDS:
            check_scalar(schema, where, default)
        else:
            refuse(where, "must be a scalar, or a $ref to an enum or object under components/schemas")

    def member(self, node, at):
        schema, _, where = self.contract.resolve(node, at)
        if "anyOf" in schema:
            self.anything(schema, where)
        elif "x-values-of" in schema:
            self.enum_or_null(schema, where)
        elif schema.get("type") == "array":
            self.array(schema, where)
        else:
            self.value(node, at)

    def array(self, schema, at):
        check_node(schema, at, {"type", "minItems", "maxItems", "nullable"}, needed=["items"])
        check_pair(schema, at, "minItems", "maxItems")
        if schema.get("nullable"):
            refuse(at, "an array cannot be null; make it optional or leave it empty")
        self.value(schema["items"], f"{at}/items")
        items, _, _ = self.contract.resolve(schema["items"], f"{at}/items")
        constraints = set() if is_named(items) else items.keys() - {"type", "format"} - DOCS
        if constraints:
            refuse(f"{at}/items", f"constraints on items ({', '.join(sorted(constraints))}) need an object of their own")

    def anything(self, schema, at):
        """`anyOf: [an object, {}]`: any JSON; the operation itself reads it as that object where it expects one."""
        check_node(schema, at, set(), needed=["anyOf"])
        shape = schema["anyOf"]
        if not isinstance(shape, list) or len(shape) != 2 or shape[1] != {}:
            refuse(below(at, "anyOf"), "must be a $ref to an object, and {} for everything else")
        shown, name, where = self.contract.resolve(shape[0], f"{at}/anyOf/0")
        if not name or shown.get("type") != "object":
            refuse(where, "must be a $ref to an object under components/schemas")
        self.component(name)

    def enum_or_null(self, schema, at):
        """The values of a named enum, or null: OpenAPI 3.0 can express this only by repeating the values."""
        check_node(schema, at, {"type", "enum", "nullable"}, needed=["x-values-of"])
        name = schema["x-values-of"]
        values = self.schemas.get(name, {}).get("enum")
        if values is None:
            refuse(below(at, "x-values-of"), f"`{name}` is not an enum under components/schemas")
        if schema.get("nullable") is not True or schema.get("enum") != [*values, None]:
            refuse(below(at, "enum"), f"must be nullable and have the values of {name}, and null")
        self.component(name)

    def component(self, name):
        at = below("/components/schemas", name)
        if name in self.open:
            refuse(at, "a schema that contains itself has no bound on its depth")
        if name in self.checked:
            return
        if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", name) or name in TAKEN_TYPES:
            refuse(at, "a schema's name is in PascalCase and none of the types that the templates use")
        self.open.append(name)
        schema = self.schemas[name]
        if "enum" in schema:
            check_enum(schema, at)
        else:
            self.object(schema, at)
        self.open.pop()
        self.checked.add(name)

    def object(self, schema, at):
        check_node(schema, at, {"required", "additionalProperties", "minProperties"}, needed=["type", "properties"])
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
        if "additionalProperties" in schema and schema.get("minProperties", 0) > len(schema["properties"]):
            refuse(below(at, "minProperties"), "is above the number of properties: no value would be valid")
        for member, node in schema["properties"].items():
            where = below(f"{at}/properties", member)
            if not is_text(member) or not re.fullmatch(r"[a-z][a-z0-9_]*", member) or member in NO_RAW_IDENTIFIER:
                refuse(where, "members are snake_case")
            self.member(node, where)
            if self.contract.resolve(node, where)[0].get("nullable") and member not in required:
                refuse(where, "an optional member cannot be nullable: leaving it out is the one way to give no value")

    # --- operations --------------------------------------------------------------------------------------------------

    def parameter(self, node, at):
        """Checks a parameter; returns its name and place."""
        parameter, _, at = self.contract.resolve(node, at, "parameters")
        check_node(parameter, at, {"required", "x-lines"}, needed=["name", "in", "schema"])
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
        self.value(parameter["schema"], f"{at}/schema", default=place == "query")
        schema, _, where = self.contract.resolve(parameter["schema"], f"{at}/schema")
        if schema["type"] == "object":
            refuse(f"{at}/schema", "a parameter is a scalar or an enum")
        if schema.get("nullable"):
            refuse(f"{at}/schema", "a parameter cannot be null")
        if "default" in schema and required:
            refuse(f"{at}/schema/default", "a required parameter cannot have a default")
        if schema.keys() & {"not", "x-decimals-max"}:
            refuse(f"{at}/schema", "the templates do not support `not` and `x-decimals-max` in parameters")
        if "x-lines" in parameter and (place != "header" or is_named(schema) or scalar_type(schema) != "String"):
            refuse(below(at, "x-lines"), "only a header whose schema is a string can come in several lines")
        if "default" in schema:
            check_default(schema, below(where, "default"))
        return name, place

    def request_body(self, node, at):
        """Checks a request body; returns the name of its schema."""
        check_node(node, at, {"required", "x-with-bytes", "x-bytes-max"}, needed=["content"])
        if node.get("required") is not True:
            refuse(at, "a request body must be required")
        if list(node["content"]) != ["application/json"]:
            refuse(f"{at}/content", "only application/json is supported")
        media, where = node["content"]["application/json"], f"{at}/content/application~1json"
        check_node(media, where, set(), needed=["schema"])
        schema, name, _ = self.contract.resolve(media["schema"], f"{where}/schema")
        if not name or schema.get("type") != "object":
            refuse(f"{where}/schema", "must be a $ref to an object under components/schemas")
        self.component(name)
        return name

    def response_header(self, name, node, at):
        """Checks a response header; returns whether operations set it, rather than a layer around the router."""
        header, _, at = self.contract.resolve(node, at, "headers")
        check_node(header, at, {"required", "x-set-by-layer"}, needed=["schema"])
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", name) or name.lower() == "content-type":
            refuse(at, "must be made of letters, digits and `-`, and not be Content-Type, which `content` sets")
        if not isinstance(header.get("required", False), bool):
            refuse(below(at, "required"), "must be true or false")
        schema, _, where = self.contract.resolve(header["schema"], f"{at}/schema")
        if schema.get("type") not in ("string", "integer"):
            refuse(where, "a header is a string or an integer")
        check_scalar(schema, where)
        if schema.get("nullable"):
            refuse(where, "a header cannot be null")
        return not header.get("x-set-by-layer")

    def response(self, node, code, at):
        response, _, at = self.contract.resolve(node, at, "responses")
        check_node(response, at, {"headers", "content", "links", "x-stored"}, needed=["description"])
        headers = response.get("headers", {})
        if len({name.lower() for name in headers}) != len(headers):
            refuse(f"{at}/headers", "two headers share a name")
        of_operation = {n for n, node in headers.items() if self.response_header(n, node, below(f"{at}/headers", n))}
        content = response.get("content", {})
        if len(content) > 1:
            refuse(f"{at}/content", "one media type a response")
        if content and code in ("204", "205", "304"):
            refuse(f"{at}/content", f"a response of status {code} has no body")
        answer = Answer(None, of_operation)
        for media, body in content.items():
            where = below(f"{at}/content", media)
            check_node(body, where, set(), needed=["schema"])
            schema, name, there = self.contract.resolve(body["schema"], f"{where}/schema")
            if media == "application/json" and name and schema.get("type") == "object":
                self.component(name)
                answer.schema = name
            elif media == "text/html" and schema.get("type") == "string":
                check_node(schema, there, {"type"})
            else:
                refuse(where, "must be application/json with a $ref to an object, or text/html with a string")
        return answer

    def operation(self, operation, method, path, shared, at):
        needed = ["tags", "operationId", "summary", "responses"]
        check_node(operation, at, {"parameters", "requestBody", "security"}, needed)
        name = operation["operationId"]
        taken = {known.lower() for known in self.operations}
        if not re.fullmatch(r"[a-z][A-Za-z0-9]*", name) or name in RUST_KEYWORDS or name.lower() in taken:
            refuse(below(at, "operationId"), "must be in camelCase, not a Rust keyword, and different from all others")
        if len(operation["tags"]) != 1 or operation["tags"][0] not in {tag["name"] for tag in self.document["tags"]}:
            refuse(below(at, "tags"), "an operation has exactly one tag, which the document describes")
        nodes = shared + numbered(operation, "parameters", at)
        parameters = [self.parameter(node, where) for node, where in nodes]
        if len({snake(parameter) for parameter, _ in parameters}) != len(parameters):
            refuse(f"{at}/parameters", "two parameters share a name")
        if {parameter for parameter, place in parameters if place == "path"} != set(re.findall(r"{(.*?)}", path)):
            refuse(f"{at}/parameters", "the path's parameters must be exactly those that the path names")
        if "security" in operation:
            self.security(operation, at)
        this = self.operations[name] = Operation(parameters, None)
        if "requestBody" in operation:
            if method not in WITH_BODY:
                refuse(below(at, "requestBody"), f"a body has no meaning in {method.upper()}")
            this.body = self.request_body(operation["requestBody"], f"{at}/requestBody")
        codes = [str(code) for code in operation["responses"]]
        for code, node in operation["responses"].items():
            where = below(f"{at}/responses", code)
            if not re.fullmatch(r"[2-5]\d\d", str(code)):
                refuse(where, "a response has one status, from 200 to 599")
            if codes.count(str(code)) > 1:
                refuse(where, "is given twice, as a number and as a string")
            if str(code)[0] in "23":
                answer = self.response(node, str(code), where)
                response, _, there = self.contract.resolve(node, where, "responses")
                for key, link in response.get("links", {}).items():
                    self.links.append((link, answer, this, below(f"{there}/links", key)))
        if not any(code[0] in "23" for code in codes):
            refuse(f"{at}/responses", "an operation must have a response for success")

    # --- links -------------------------------------------------------------------------------------------------------

    def members(self, name):
        """The members of a named object; none without a name."""
        return self.schemas[name]["properties"] if name else {}

    def link(self, node, answer, source, at):
        """Links are for clients only and do not reach the templates. This checks that everything they refer to exists."""
        link, _, at = self.contract.resolve(node, at, "links")
        check_node(link, at, {"parameters", "requestBody"}, needed=["operationId"])
        name = link["operationId"]
        target = self.operations.get(name)
        if target is None:
            refuse(below(at, "operationId"), f"there is no operation `{name}`")
        parameters, body = link.get("parameters", {}), link.get("requestBody")
        if not isinstance(parameters, dict):
            refuse(below(at, "parameters"), "must be an object")
        for parameter, value in parameters.items():
            where = below(f"{at}/parameters", parameter)
            if parameter not in {known for known, _ in target.parameters}:
                refuse(where, f"`{name}` has no such parameter")
            self.link_value(value, answer, source, where)
        if "requestBody" in link:
            where = below(at, "requestBody")
            if target.body is None:
                refuse(where, f"`{name}` takes no body")
            for member in body if isinstance(body, dict) else ():
                if member not in self.members(target.body):
                    refuse(below(where, member), f"the body of `{name}` has no such member")
            self.link_value(body, answer, source, where)

    def link_value(self, value, answer, source, at):
        """Every `$…` in a link's value, alone or in braces inside a text, must exist in the response or request."""
        if isinstance(value, (dict, list)):
            for key, item in value.items() if isinstance(value, dict) else enumerate(value):
                self.link_value(item, answer, source, below(at, key))
        if not is_text(value):
            return
        for expression in [f"{{{value}}}"] if value.startswith("$") else re.findall(r"{\$[^}]*}?", value):
            found = LINK_EXPRESSION.fullmatch(expression)
            if not found:
                refuse(at, f"`{expression}` is not a supported link expression (see LINK_EXPRESSION in check.py)")
            there = {
                "member": self.members(answer.schema),
                "header": answer.headers,
                "parameter": {name for name, place in source.parameters if place == found["place"]},
            }
            for kind, names in there.items():
                if found[kind] and found[kind] not in names:
                    refuse(at, f"there is no {kind} `{found[kind]}`")

    # --- the document ------------------------------------------------------------------------------------------------

    def path(self, path, item):
        at = below("/paths", path)
        check_node(item, at, {"parameters", *METHODS})
        if not re.fullmatch(r"(/([A-Za-z0-9._-]+|{[a-z][a-z0-9_]*}))+|/", path):
            refuse(at, "each part of a path is a plain word or one {parameter} in snake_case")
        shared = numbered(item, "parameters", at)
        for method in METHODS:
            if method in item:
                self.operation(item[method], method, path, shared, f"{at}/{method}")

    def head(self):
        """The document's own members."""
        document = self.document
        check_node(document, "", {"servers", "components", "security"}, needed=["openapi", "info", "tags", "paths"])
        if not re.fullmatch(r"3\.0\.\d+", str(document["openapi"])):
            refuse("/openapi", "must be 3.0: other versions give the same keywords other meanings")
        for index, server in enumerate(document.get("servers", [])):
            check_node(server, f"/servers/{index}", set(), needed=["url"])
            if not re.fullmatch(r"(https?://[^/{}]+)?/?|\.", str(server["url"])):
                refuse(f"/servers/{index}/url", "the templates do not support a path or variables in a server's address")
        components = self.contract.components
        sections = {"schemas", "parameters", "headers", "responses", "links", "securitySchemes"}
        check_node(components, "/components", sections)
        for name, scheme in components.get("securitySchemes", {}).items():
            where = below("/components/securitySchemes", name)
            check_node(scheme, where, set(), needed=["type", "in", "name"])
            if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", name):
                refuse(where, "a security scheme's name is in PascalCase")
            if (scheme["type"], scheme["in"]) != ("apiKey", "header"):
                refuse(below(where, "type"), "the templates support `apiKey` in `header` only")
        if "security" in document:
            self.security(document, "")
        if not re.fullmatch(r'[^"\\\x00-\x1f\x7f]+', str(document["info"].get("title", ""))):
            refuse("/info/title", "must be a text of one line, without quotation marks and backslashes")
        for index, tag in enumerate(document["tags"]):
            check_node(tag, f"/tags/{index}", set(), needed=["name", "description"])
            if not re.fullmatch(r"[A-Z][A-Za-z]*( [A-Z][A-Za-z]*)*", tag["name"]):
                refuse(f"/tags/{index}/name", "must be words in PascalCase")

    def security(self, node, at):
        """`security` names one scheme, or none."""
        asked = node["security"]
        if asked == []:
            return
        requirement = asked[0] if isinstance(asked, list) and len(asked) == 1 else None
        if not isinstance(requirement, dict) or len(requirement) != 1 or list(requirement.values()) != [[]]:
            refuse(below(at, "security"), "must name one scheme, without scopes, or none")
        (name,) = requirement
        if name not in self.contract.components.get("securitySchemes", {}):
            refuse(below(at, "security"), f"`{name}` is not under components/securitySchemes")

    def all(self):
        self.head()
        for path, item in self.document["paths"].items():
            self.path(path, item)
        for name, schema in self.schemas.items():
            if isinstance(schema, dict) and is_named(schema):
                self.component(name)
            else:
                self.value(schema, below("/components/schemas", name))
        for link in self.links:  # last, since a link may refer to any operation
            self.link(*link)


def check(contract):
    """Refuses what the templates do not enforce. A contract that passes can be lowered."""
    Check(contract).all()
