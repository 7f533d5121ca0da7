"""A stand-in for Stripe's API of Checkout Sessions, which cannot be reached from a test.

It knows what the API says of a session's parameters: their names are those that Stripe's library lists, `expires_at` is 30
minutes to 24 hours from now, one idempotency key stands for one request, and only an open session can be expired.
"""

import http.server
import json
import pathlib
import re
import threading
import time
import typing
import urllib.parse

import typing_extensions
from stripe.params.checkout import SessionCreateParams

KEY = "sk_test_shop"
FIXTURE = pathlib.Path(__file__).with_name("fixtures") / "checkout.session.completed.paid.json"
# Names in the library's types that it imports for type checkers only.
NAMES = {"StripeContext": object, "Mapping": dict}


class Refused(Exception):
    """What Stripe answers with 400."""


def nested(form):
    """The parameters of a form: a[b]=1 is {"a": {"b": "1"}}."""
    parameters = {}
    for name, value in urllib.parse.parse_qsl(form, keep_blank_values=True):
        *path, last = re.findall(r"[^][]+", name)
        at = parameters
        for step in path:
            at = at.setdefault(step, {})
        at[last] = value
    return parameters


def checked(value, hint, name):
    """The value with the types of Stripe's library. Refuses a parameter that the library does not list."""
    options = [option for option in typing.get_args(hint) if option is not type(None)] if is_union(hint) else [hint]
    hint = next((option for option in options if option is not str), str) if isinstance(value, dict) else options[0]
    if typing_extensions.is_typeddict(hint):
        hints = typing.get_type_hints(hint, localns=NAMES)
        if not isinstance(value, dict) or value.keys() - hints.keys():
            raise Refused(f"Received unknown parameter in {name}: {value}")
        if hint.__required_keys__ - value.keys():
            raise Refused(f"Missing required param in {name}: {hint.__required_keys__ - value.keys()}")
        return {key: checked(part, hints[key], f"{name}[{key}]") for key, part in value.items()}
    if typing.get_origin(hint) is list:
        return [checked(part, typing.get_args(hint)[0], f"{name}[]") for part in value.values()]
    if isinstance(value, dict):
        return value
    try:
        return {int: int, bool: {"true": True, "false": False}.__getitem__}.get(hint, str)(value)
    except (KeyError, ValueError) as error:
        raise Refused(f"Invalid {name}: {value}") from error


def is_union(hint):
    return typing.get_origin(hint) is typing.Union


class CheckoutApi:
    """The sessions that were created, by their ids, each with the parameters that it was created with."""

    def __init__(self):
        self.sessions, self.parameters, self.answers = {}, {}, {}
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_request(self):
                form = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                try:
                    if self.headers["Authorization"] != f"Bearer {KEY}":
                        raise Refused("Invalid API Key provided")
                    code, answer = 200, api.answer(self.command, self.path, form, self.headers["Idempotency-Key"])
                except Refused as refused:
                    code, answer = 400, {"error": {"type": "invalid_request_error", "message": str(refused)}}
                body = json.dumps(answer).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = handle_request

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, method, path, form, key):
        if (method, path) == ("POST", "/v1/checkout/sessions"):
            return self.create(form, key)
        session_id, _, action = path.removeprefix("/v1/checkout/sessions/").partition("/")
        session = self.sessions.get(session_id)
        if session is None or (method, action) not in [("GET", ""), ("POST", "expire")]:
            raise Refused(f"Unrecognized request: {method} {path}")
        if action:
            if session["status"] != "open":
                raise Refused("Only Checkout Sessions with a status in [\"open\"] can be expired.")
            session |= {"status": "expired", "url": None}
        return session

    def create(self, form, key):
        before, answer = self.answers.get(key, (form, None))
        if before != form:
            raise Refused("Keys for idempotent requests can only be used with the same parameters.")
        if answer and key:
            return answer
        parameters = checked(nested(form), SessionCreateParams, "session")
        for name in ("mode", "line_items", "success_url"):
            if name not in parameters:
                raise Refused(f"Missing required param: {name}")
        now = int(time.time())
        if not now + 30 * 60 <= parameters.get("expires_at", now + 3600) <= now + 24 * 60 * 60:
            raise Refused("The `expires_at` timestamp must be between 30 minutes and 24 hours from session creation.")
        number = len(self.sessions) + 1
        items = [(item["price_data"], item["quantity"]) for item in parameters["line_items"]]
        session = json.loads(FIXTURE.read_text())["data"]["object"] | {
            "id": f"cs_test_{number}",
            "amount_total": sum(price["unit_amount"] * quantity for price, quantity in items),
            "currency": items[0][0]["currency"],
            "expires_at": parameters["expires_at"],
            "metadata": parameters.get("metadata", {}),
            "payment_intent": None,
            "payment_status": "unpaid",
            "status": "open",
            "url": f"https://checkout.stripe.com/c/pay/cs_test_{number}",
        }
        self.sessions[session["id"]] = session
        self.parameters[session["id"]] = parameters
        self.answers[key] = (form, session.copy())
        return session

    def complete(self, session_id, payment_status="paid"):
        """The customer has paid, or has begun to. Returns the session and its payment intent."""
        session = self.sessions[session_id]
        session |= {"status": "complete", "payment_status": payment_status, "payment_intent": f"pi_of_{session_id}"}
        metadata = self.parameters[session_id].get("payment_intent_data", {}).get("metadata", {})
        return session, {"id": session["payment_intent"], "object": "payment_intent", "currency": session["currency"],
                         "amount": session["amount_total"], "amount_received": session["amount_total"], "metadata": metadata}
