"""What schemathesis cannot know by itself: how webhooks are signed, which conflicts a well-formed request may run into,
and what nobody without credentials may get. It also counts what was answered.

Loaded by conformance.py, which says by the environment who the caller is: a `member` sends a key, a `stranger` sends
neither key nor signature to a service that has keys, and `anyone` calls a service without keys.
"""

import atexit
import collections
import hashlib
import hmac
import json
import os
import re
import time
from urllib.parse import urlsplit

import requests
import schemathesis
from hypothesis import strategies as st
from requests.auth import AuthBase
from schemathesis.openapi.checks import EnsureResourceAvailability, RejectedPositiveData

CALLER = os.environ["CONFORMANCE_CALLER"]
API_KEY, SIGNATURE = "X-API-Key", "X-Webhook-Signature"


class Credentials(AuthBase):
    """A key, or for webhooks the signature that the payment provider makes. `requests` calls it last, when the body is
    the bytes that are sent: so the webhook is fuzzed behind its signature, not in front of it."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if request.path_url.split("?")[0] == "/webhooks/payment":
            request.headers[SIGNATURE] = signature(request.body, int(time.time()))
        elif CALLER == "member":
            request.headers[API_KEY] = os.environ["API_KEYS"]
        return request


def signature(body, seconds):
    body = body.encode() if isinstance(body, str) else body or b""
    mac = hmac.new(os.environ["WEBHOOK_SECRET"].encode(), b"%d.%b" % (seconds, body), hashlib.sha256)
    return f"t={seconds},v1={mac.hexdigest()}"


if CALLER != "stranger":
    schemathesis.auth.set_from_requests(Credentials())


def missing(request, schemes):
    """Those of the schemes whose credentials the request does not have, whatever else stands in their headers."""
    told, sent = re.match("t=([0-9]+)", request.headers.get(SIGNATURE, "")), request.headers.get(SIGNATURE)
    has = {
        "ApiKey": request.headers.get(API_KEY) == os.environ["API_KEYS"] or CALLER == "anyone",
        "WebhookSignature": bool(told) and signature(request.body, int(told[1])) == sent,
    }
    return [scheme for scheme in schemes if not has[scheme]]


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Says as a schema what the contract can only say in words, so that the words are tested as well."""
    schemas = raw_schema["components"]["schemas"]
    if CALLER == "anyone":
        raw_schema["security"] = [{}]  # without keys, everybody is let in

    # What `data` must be follows from the event's type, so an example of a type alone is none any more.
    event, data = schemas["PaymentEvent"], {"$ref": "#/components/schemas/PaymentData"}
    about_an_order, about_payments = ["payment.succeeded", "payment.refunded"], ["payment.failed"]
    del event["properties"]["type"]["example"], event["properties"]["data"]["anyOf"]
    event["anyOf"] = [
        {
            "required": ["data"],
            "properties": {"type": {"enum": about_an_order}, "data": {"allOf": [data, {"required": ["order_id"]}]}},
        },
        {"required": ["data"], "properties": {"type": {"enum": about_payments}, "data": data}},
        {"properties": {"type": {"not": {"enum": about_an_order + about_payments}}}},
    ]

    # Entity tags have quotation marks, which the coverage phase never puts into a header of its own making: it would send
    # `0` in their place and take that for valid. Where a schema has a format, it asks for a value of that.
    tags = schemas["EntityTags"]
    values = st.from_regex(re.compile(tags["pattern"], re.ASCII), fullmatch=True)
    schemathesis.openapi.format("entity-tags", values.filter(lambda text: len(text) <= tags["maxLength"]))
    tags["format"] = "entity-tags"


# Documented refusals of well-formed requests that follow from what was sent or stored before, and the header that asks
# for them. They are no conflict by their status (409), which schemathesis knows, but are what RFC 9110 (section 13.1.1)
# and the IETF's draft of the Idempotency-Key header say.
CONFLICTS = {(412, "/problems/stale-version"): "If-Match", (422, "/problems/idempotency-key-reused"): "Idempotency-Key"}


# The paths that a kept answer led to once more, and those that were deleted: the same request with the same key has the
# same answer "whatever became of the resource since", so the 201 of a deleted product or order is no promise of it.
replayed, deleted = set(), set()


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Passes over two kinds of "valid data should have been accepted", the conflicts and a null that a link of
    schemathesis's own guessing hands on as an id, spelled `None`; and over one of "not found, though just created", what
    was deleted before its creation was answered again. Nothing else."""
    if isinstance(failure, EnsureResourceAvailability):
        return not any(path_of(response).startswith(f"{path}/") for path in replayed & deleted)
    if isinstance(failure, RejectedPositiveData):
        header = CONFLICTS.get((response.status_code, response.json().get("type")))
        is_conflict = header is not None and header in response.request.headers
        return not is_conflict and "None" not in map(str, case.path_parameters.values())
    return True


def path_of(response):
    """The path that was asked for, with a slash at its end."""
    return urlsplit(response.request.url).path + "/"


def is_the_operation(case, response):
    """Whether the request was one of the operation, and not another method at its path."""
    return response.request.method == case.operation.method.upper()


@schemathesis.check
def strangers_are_refused(ctx, response, case):
    """Without credentials nobody learns anything but that: no 404, no 409, no failure of validation."""
    document, operation = case.operation.schema.raw_schema, case.operation.definition.raw
    asked = {scheme for requirement in operation.get("security", document["security"]) for scheme in requirement}
    if is_the_operation(case, response) and missing(response.request, asked) and response.status_code != 401:
        raise AssertionError(f"{response.status_code} without credentials, which must be 401")


answers, fuzzed = collections.defaultdict(collections.Counter), collections.Counter()


@schemathesis.hook
def after_call(context, case, response):
    if is_the_operation(case, response):
        answers[case.operation.label][response.status_code] += 1
        fuzzed[case.operation.label] += case.meta is not None and case.meta.phase.name.value == "fuzzing"
        if "idempotency-replayed" in response.headers:
            replayed.update(response.headers.get("location", ()))
        if response.request.method == "DELETE" and response.status_code == 204:
            deleted.add(path_of(response).rstrip("/"))


@atexit.register
def write_counts():
    with open(os.environ["CONFORMANCE_COUNTS"], "w", encoding="utf-8") as file:
        json.dump({"answers": answers, "fuzzed": fuzzed}, file)
