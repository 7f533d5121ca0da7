#!/usr/bin/env python3
"""Tests that the conformance test can fail: each wrong statement below, in a copy of the contract, must be reported.

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


# The wrong statement, the caller and the operation that are tried, the edit of the copy, and the expected report.
LIES = [
    (
        "a status that the service returns is not documented",
        ("member", "getProduct"),
        lambda it: responses(it, "/products/{id}", "get").pop("404"),
        "UndefinedStatusCode",
    ),
    (
        "a member of a response has another type",
        ("member", "createProduct"),
        lambda it: schema(it, "Product")["properties"].update(stock={"type": "string", "description": "Units."}),
        "JsonSchemaError",
    ),
    (
        "a documented member of a response is missing",
        ("member", "listProducts"),
        lambda it: schema(it, "ProductPage")["required"].append("total"),
        "JsonSchemaError",
    ),
    (
        "a documented header of a response is missing",
        ("member", "createProduct"),
        lambda it: responses(it, "/products", "post")["201"]["headers"].update(
            {"X-Total": {"required": True, "schema": {"type": "integer"}}}
        ),
        "MissingHeaders",
    ),
    (
        "an error has another media type",
        ("member", "getProduct"),
        lambda it: it["components"]["responses"]["ProductNotFound"].update(
            content={"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        ),
        "UndefinedContentType",
    ),
    (
        "the contract allows less than the service accepts",
        ("member", "listProducts"),
        lambda it: it["components"]["parameters"]["Limit"]["schema"].update(maximum=99),
        "AcceptedNegativeData",
    ),
    (
        "the contract allows more than the service accepts",
        ("member", "createOrder"),
        lambda it: schema(it, "Quantity").update(maximum=20000),
        "RejectedPositiveData",
    ),
    (
        "the contract allows more in a signed webhook than the service accepts",
        ("member", "receivePaymentEvent"),
        lambda it: schema(it, "PaymentEvent")["properties"]["id"].update(maxLength=300),
        "RejectedPositiveData",
    ),
    (
        "the contract allows more in a header that signs than the service accepts",
        ("member", "receivePaymentEvent"),
        lambda it: it["components"]["parameters"]["WebhookId"]["schema"].update(maxLength=300),
        "RejectedPositiveData",
    ),
    (
        "the contract allows less in a signed event of Stripe than the service accepts",
        ("member", "receiveStripeEvent"),
        lambda it: schema(it, "EventId").update(maxLength=254),
        "AcceptedNegativeData",
    ),
    (
        "the contract requires a key where the service asks for a signature",
        ("member", "receiveStripeEvent"),
        lambda it: it["paths"]["/webhooks/stripe"]["post"].update(security=[{"ApiKey": []}]),
        "CustomFailure",
    ),
    (
        "a method is not documented",
        ("member", "listProducts"),
        lambda it: it["paths"]["/products"].pop("post"),
        "UnsupportedMethodResponse",
    ),
    (
        "the contract requires a key where the service does not",
        ("member", "listProducts"),
        lambda it: it["paths"]["/products"]["get"].pop("security"),
        "IgnoredAuth",
    ),
    (
        "the same, without credentials",
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
