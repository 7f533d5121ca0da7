"""Checks a contract against OpenAPI's own schema, the examples of its headers, which Redocly does not check, and that
validators accept every price. They calculate with doubles, so that 0.07 is no multiple of 0.01 to them.

Usage: validate.py openapi.yaml. Prints one line per fault and exits 1 where there is any.
"""

import sys

from openapi_schema_validator import OAS30Validator
from openapi_spec_validator import OpenAPIV30SpecValidator
from openapi_spec_validator.readers import read_from_filename


def headers(node, path=""):
    """Yields the path and object of every header that is defined anywhere in the contract."""
    if isinstance(node, list):
        for index, child in enumerate(node):
            yield from headers(child, f"{path}/{index}")
    elif isinstance(node, dict):
        for name, child in node.items():
            if name == "headers" and isinstance(child, dict):
                for header, value in child.items():
                    if "$ref" not in value:
                        yield f"{path}/headers/{header}", value
            else:
                yield from headers(child, f"{path}/{name}")


def amounts(node, path=""):
    """Yields the path and object of every schema of an amount of money."""
    if isinstance(node, dict):
        if "x-decimals-max" in node:
            yield path, node
        for name, child in node.items():
            yield from amounts(child, f"{path}/{name}")


def faults(contract):
    """Yields one line for each fault."""
    for error in OpenAPIV30SpecValidator(contract).iter_errors():
        yield f"openapi-schema: {'/'.join(map(str, error.absolute_path))}: {error.message}"
    validator = OAS30Validator(contract)
    for path, header in headers(contract):
        if "example" not in header:
            yield f"header-example: {path}: must have an example"
            continue
        for error in validator.evolve(schema=header["schema"]).iter_errors(header["example"]):
            yield f"header-example: {path}: {error.message}"


    for path, schema in amounts(contract["components"]["schemas"]):
        validator = OAS30Validator(schema)
        refused = [cents / 100 for cents in range(1, 10_001) if not validator.is_valid(cents / 100)]
        if refused:
            yield f"amounts: {path}: refuses {len(refused)} prices up to 100.00, such as {refused[0]}"


if __name__ == "__main__":
    found = list(faults(read_from_filename(sys.argv[1])[0]))
    print(*found, sep="\n", end="\n" if found else "")
    print(f"openapi-spec-validator: {len(found)} faults")
    sys.exit(1 if found else 0)
