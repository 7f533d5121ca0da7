"""The contract: its YAML with exact numbers, its references, and the Rust names of its parts.

Refuses what cannot be read: duplicate keys, numbers that JSON does not have, references to nothing.
"""

import re
from decimal import Decimal, InvalidOperation

import yaml

METHODS = ("get", "put", "post", "delete", "patch")
INTEGERS = {"int32": "i32", "int64": "i64"}
RUST_KEYWORDS = set(
    "as async await become box break const continue crate do dyn else enum extern false final fn for gen if impl in let"
    " loop macro match mod move mut override priv pub ref return self static struct super trait true try type typeof"
    " unsafe unsized use virtual where while yield abstract".split()
)


class Unsupported(Exception):
    """The contract has a construct that the templates would silently drop."""


def refuse(at, why):
    raise Unsupported(f"openapi.yaml#{at}: {why}")


def below(at, key):
    """The JSON Pointer of a member."""
    return f"{at}/{str(key).replace('~', '~0').replace('/', '~1')}"


def exact(loader, node):
    """Reads a number exactly: 0.01 must not become the nearest double."""
    try:
        return Decimal(loader.construct_scalar(node))
    except InvalidOperation:
        raise Unsupported(f"openapi.yaml: `{node.value}` in line {node.start_mark.line + 1} is not a JSON number") from None


class Loader(yaml.SafeLoader):
    """Loads YAML with exact numbers, and refuses duplicate keys."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise Unsupported(f"openapi.yaml: duplicate key `{key}` near line {node.start_mark.line + 1}")
        return super().construct_mapping(node, deep)


Loader.add_constructor("tag:yaml.org,2002:float", exact)
Loader.add_constructor("tag:yaml.org,2002:timestamp", yaml.SafeLoader.construct_yaml_str)


class Contract:
    """The contract, with its `$ref`s resolved inside the document."""

    def __init__(self, text):
        """Reads YAML."""
        self.document = yaml.load(text, Loader)
        self.components = self.document.get("components", {})
        self.schemas = self.components.get("schemas", {})

    def resolve(self, node, at, section="schemas"):
        """The node itself or the target of its `$ref`; the component's name, if it has one; the node's JSON Pointer."""
        name, seen = None, set()
        while isinstance(node, dict) and "$ref" in node:
            ref = node["$ref"]
            if len(node) > 1:
                refuse(at, "OpenAPI 3.0 ignores other members beside `$ref`")
            prefix = f"#/components/{section}/"
            if not isinstance(ref, str) or not ref.startswith(prefix):
                refuse(below(at, "$ref"), f"must name something under {prefix[1:]}")
            name = ref.removeprefix(prefix)
            if name not in (self.components.get(section) or {}):
                refuse(below(at, "$ref"), f"`{ref}` does not exist")
            if name in seen:
                refuse(below(at, "$ref"), f"`{ref}` refers to itself")
            seen.add(name)
            node, at = self.components[section][name], ref[1:]
        if not isinstance(node, dict):
            refuse(at, "must be an object")
        return node, name, at


def is_named(schema):
    """Whether a component's schema becomes a Rust type: an object or an enum."""
    return schema.get("type") == "object" or "enum" in schema


def scalar_type(schema):
    """The Rust type of a scalar schema."""
    if schema["type"] == "integer":
        return INTEGERS[schema["format"]]
    if schema.get("format") == "date-time":
        return "Timestamp"
    return {"string": "String", "number": "Decimal", "boolean": "bool"}[schema["type"]]


def variant(value):
    """The words of an enum value after its last slash, in PascalCase."""
    return "".join(word.capitalize() for word in re.split(r"[^A-Za-z0-9]+", value.rsplit("/", 1)[-1]) if word)


def constant(value):
    """The words of an enum value after its last slash, in UPPER_CASE."""
    return "_".join(word.upper() for word in re.split(r"[^A-Za-z0-9]+", value.rsplit("/", 1)[-1]) if word)


def snake(name):
    """`pageSize`, `page-size` and `Page-Size` are all `page_size`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).replace("-", "_").lower()
