#!/usr/bin/env python3
"""Shows that the conformance test can fail: each lie below, told in a copy of the contract, is found, and as what it is.

    BIN=path/to/orders-inventory can_fail.py
"""

import copy
import json
import pathlib
import sys
import tempfile

import conformance
import yaml


def responses(contract, path, method):
    return contract["paths"][path][method]["responses"]


def schema(contract, name):
    return contract["components"]["schemas"][name]


# What is told, by whom it is tried on which operation, how the copy is edited, and what must be reported.
LIES = [
    (
        "a status that is answered is not documented",
        ("member", "getProduct"),
        lambda it: responses(it, "/products/{id}", "get").pop("404"),
        "UndefinedStatusCode",
    ),
    (
        "a member of an answer has another type",
        ("member", "createProduct"),
        lambda it: schema(it, "Product")["properties"].update(stock={"type": "string", "description": "Units."}),
        "JsonSchemaError",
    ),
    (
        "an answer has a member that it lacks",
        ("member", "listProducts"),
        lambda it: schema(it, "ProductPage")["required"].append("total"),
        "JsonSchemaError",
    ),
    (
        "an answer has a header that it lacks",
        ("member", "createProduct"),
        lambda it: responses(it, "/products", "post")["201"]["headers"].update(
            {"X-Total": {"required": True, "schema": {"type": "integer"}}}
        ),
        "MissingHeaders",
    ),
    (
        "an error is of another media type",
        ("member", "getProduct"),
        lambda it: it["components"]["responses"]["ProductNotFound"].update(
            content={"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        ),
        "UndefinedContentType",
    ),
    (
        "less is allowed than the service takes",
        ("member", "listProducts"),
        lambda it: it["components"]["parameters"]["Limit"]["schema"].update(maximum=99),
        "AcceptedNegativeData",
    ),
    (
        "more is allowed than the service takes",
        ("member", "createOrder"),
        lambda it: schema(it, "Quantity").update(maximum=20000),
        "RejectedPositiveData",
    ),
    (
        "the webhook takes more than the service does, behind the signature",
        ("member", "receivePaymentEvent"),
        lambda it: schema(it, "EventId").update(maxLength=300),
        "RejectedPositiveData",
    ),
    (
        "a method is not documented",
        ("member", "listProducts"),
        lambda it: it["paths"]["/products"].pop("post"),
        "UnsupportedMethodResponse",
    ),
    (
        "a key is needed where the service wants none",
        ("member", "listProducts"),
        lambda it: it["paths"]["/products"]["get"].pop("security"),
        "IgnoredAuth",
    ),
    (
        "the same, tried by a stranger",
        ("stranger", "listProducts"),
        lambda it: it["paths"]["/products"]["get"].pop("security"),
        "CustomFailure",
    ),
]


def main():
    contract = yaml.safe_load(conformance.CONTRACT.read_text(encoding="utf-8"))
    unseen = 0
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "openapi.json")
        for lie, (caller, operation), edit, expected in LIES:
            edited = copy.deepcopy(contract)
            edit(edited)
            path.write_text(json.dumps(edited, default=str), encoding="utf-8")
            options = ["--include-operation-id", operation, "--phases", "examples,coverage", "--seed", "1"]
            run = conformance.schemathesis(caller, *options, contract=path, quiet=True)
            found = {failure["type"] for failure in run.report.get("failures", [])}
            unseen += expected not in found
            print(f"{'found' if expected in found else 'NOT FOUND'}: {lie} ({', '.join(sorted(found)) or 'nothing'})", flush=True)
    if unseen:
        sys.exit(f"{unseen} of {len(LIES)} lies went unnoticed")


if __name__ == "__main__":
    main()
