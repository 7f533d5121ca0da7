"""Hooks for schemathesis: signing of webhooks, expected conflicts of valid requests, and the check that requests without
credentials are refused. They also count the responses.

Loaded by conformance.py, which sets the caller in the environment: a `member` sends a key, a `stranger` sends neither key
nor signature to a service with keys, and `anyone` calls a service without keys.
"""

import atexit
import base64
import collections
import hashlib
import hmac
import json
import os
import re
import time
import uuid
from urllib.parse import urlsplit

import requests
import schemathesis
from hypothesis import strategies as st
from requests.auth import AuthBase
from schemathesis.openapi.checks import EnsureResourceAvailability, RejectedPositiveData

CALLER = os.environ["CONFORMANCE_CALLER"]
API_KEY = "X-API-Key"
# The headers of a signature: the service's own, Stripe's, and those of Standard Webhooks.
OWN, STRIPE = "X-Webhook-Signature", "Stripe-Signature"
STANDARD = ID, TIME, SIGNATURES = "webhook-id", "webhook-timestamp", "webhook-signature"


class Credentials(AuthBase):
    """Adds a key, or the signature of a webhook in place of a generated one. `requests` calls this last, with the final body,
    so that fuzzed webhooks have valid signatures."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        path = request.path_url.split("?")[0]
        if path == "/webhooks/payment":
            sign(request)
        elif path == "/webhooks/stripe":
            request.headers[STRIPE] = timestamped("STRIPE_WEBHOOK_SECRET", request.body, int(time.time()))
        elif CALLER == "member":
            request.headers[API_KEY] = os.environ["API_KEYS"]
        return request


def sign(request):
    """Signs in one way, whatever headers were generated, since two are refused. A generated `webhook-id` reaches the service,
    also an invalid one. Without one, an event that has no id needs one."""
    generated = request.headers.get(ID)
    for name in (OWN, *STANDARD):
        request.headers.pop(name, None)
    seconds = int(time.time())
    if generated is None and has_id(request.body):
        request.headers[OWN] = timestamped("WEBHOOK_SECRET", request.body, seconds)
    else:
        request.headers[ID] = f"msg_{uuid.uuid4().hex}" if generated is None else generated
        request.headers[TIME] = str(seconds)
        request.headers[SIGNATURES] = standard(request.headers[ID], request.body, seconds)


def has_id(body):
    """Whether a body has an id, or is none that could lack one."""
    try:
        event = json.loads(body or b"")
    except ValueError:
        return True
    return not isinstance(event, dict) or "id" in event


def timestamped(secret, body, seconds):
    """The value of the service's own header, or of Stripe's."""
    return f"t={seconds},v1={mac(secret, b'%d.' % seconds, body).hex()}"


def standard(message, body, seconds):
    """The value of `webhook-signature`."""
    message = message.encode("latin-1", "replace") if isinstance(message, str) else message
    before = b"%b.%d." % (message.strip(b" \t"), seconds)
    return "v1," + base64.b64encode(mac("WEBHOOK_SECRET", before, body)).decode()


def mac(secret, before, body):
    body = body.encode() if isinstance(body, str) else body or b""
    return hmac.new(os.environ[secret].encode(), before + body, hashlib.sha256).digest()


if CALLER != "stranger":
    schemathesis.auth.set_from_requests(Credentials())


def is_timestamped(request, header, secret):
    sent = text_of(request, header)
    seconds = re.match("t=([0-9]{1,18}),", sent)
    return bool(seconds) and timestamped(secret, request.body, int(seconds[1])) == sent


def is_standard(request):
    seconds = text_of(request, TIME)
    if not re.fullmatch("[0-9]{1,18}", seconds):
        return False
    return standard(request.headers.get(ID, ""), request.body, int(seconds)) == text_of(request, SIGNATURES)


def text_of(request, header):
    value = request.headers.get(header, "")
    return value.decode("latin-1") if isinstance(value, bytes) else value


def missing(request, schemes):
    """The schemes for which the request has no valid credentials."""
    has = {
        "ApiKey": request.headers.get(API_KEY) == os.environ["API_KEYS"] or CALLER == "anyone",
        "WebhookSignature": is_timestamped(request, OWN, "WEBHOOK_SECRET") or is_standard(request),
        "StripeSignature": is_timestamped(request, STRIPE, "STRIPE_WEBHOOK_SECRET"),
    }
    return [scheme for scheme in schemes if not has[scheme]]


def amounts(node):
    """Every schema of an amount of money."""
    if isinstance(node, dict):
        if "x-decimals-max" in node:
            yield node
        for child in node.values():
            yield from amounts(child)


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Expresses as a schema what the contract can only say in text, so that the text is tested as well."""
    schemas = raw_schema["components"]["schemas"]
    if CALLER == "anyone":
        raw_schema["security"] = [{}]  # without keys, every caller is accepted

    # The event's type determines `data`, so an example of the type alone is not valid any more.
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

    # Any value may be what an event of Stripe is about.
    del schemas["StripeEventData"]["properties"]["object"]["anyOf"]

    # The service counts the decimals of the number as written.
    for schema in amounts(schemas):
        schema["multipleOf"] = 10 ** -schema["x-decimals-max"]

    # The patterns of texts for people take every character above U+FFFF as a visible one; the service knows the others.
    last = r"\ufff0-\ufffb]"
    invisible = "\U00016fe4\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    for name in ("ProductName", "Note"):
        before, after = schemas[name]["pattern"].split(last)
        schemas[name]["pattern"] = before + last[:-1] + invisible + "]" + after

    # Entity tags have quotation marks, which the coverage phase never generates: it would send `0` and take that for valid.
    # For a schema with a format, it generates a value of that format.
    tags = schemas["EntityTags"]
    values = st.from_regex(re.compile(tags["pattern"], re.ASCII), fullmatch=True)
    schemathesis.openapi.format("entity-tags", values.filter(lambda text: len(text) <= 1000))
    tags["format"] = "entity-tags"


# Documented refusals of valid requests that depend on earlier requests, and the headers that cause them. Their status is
# not 409, which schemathesis knows as a conflict, but the one of RFC 9110 (section 13.1) and of the IETF draft of the
# Idempotency-Key header.
CONFLICTS = {
    (412, "/problems/stale-version"): {"If-Match", "If-None-Match"},
    (422, "/problems/idempotency-key-reused"): {"Idempotency-Key"},
}


# The paths in replayed responses, and those that were deleted. A replay returns the stored 201 also for a product or order
# that was deleted since, so that 201 does not mean that the resource exists.
replayed, deleted = set(), set()


# Lists whose filters choose one of two orders, and the refusal of a cursor of the other.
HAVE_TWO_ORDERS = {"GET /products", "GET /orders"}
NO_CURSOR = {"parameter": "cursor", "detail": "must be the next_cursor of a page"}


def has_control_character(headers):
    """Whether a header has a character that RFC 9110 forbids there (section 5.5)."""
    texts = [value.decode("latin-1") if isinstance(value, bytes) else value for value in headers.values()]
    return any(re.search(r"[\x00-\x08\x0a-\x1f\x7f]", text) for text in texts)


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Ignores what hyper answers by itself to a header with a control character, which is not HTTP: an empty 400. Ignores three
    kinds of "valid data should have been accepted": the conflicts, a cursor of the other order of a list that has two, and a
    null that a guessed link of schemathesis passes as the id `None`. Ignores one kind of "not found, though just created": a resource that was deleted
    before its creation was replayed."""
    if response.status_code == 400 and not response.content and has_control_character(response.request.headers):
        return False
    if isinstance(failure, EnsureResourceAvailability):
        return not any(path_of(response).startswith(f"{path}/") for path in replayed & deleted)
    if isinstance(failure, RejectedPositiveData):
        headers = CONFLICTS.get((response.status_code, response.json().get("type")), ())
        is_conflict = any(header in response.request.headers for header in headers)
        is_other_order = case.operation.label in HAVE_TWO_ORDERS and response.json().get("errors") == [NO_CURSOR]
        return not is_conflict and not is_other_order and "None" not in map(str, case.path_parameters.values())
    return True


def path_of(response):
    """The request's path, with a slash at its end."""
    return urlsplit(response.request.url).path + "/"


def is_the_operation(case, response):
    """Whether the request has the operation's method, and not another one on its path."""
    return response.request.method == case.operation.method.upper()


@schemathesis.check
def strangers_are_refused(ctx, response, case):
    """Without credentials every response is 401: no 404, no 409, no failure of validation."""
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
