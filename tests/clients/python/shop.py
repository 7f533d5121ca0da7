"""Places, pays and ships an order, and is refused twice."""

import hashlib
import hmac
import os
import time
import uuid
from collections.abc import Callable, Generator
from typing import TypeVar

import httpx

from shop_client import AuthenticatedClient
from shop_client.api.orders import create_order, get_order, update_order
from shop_client.api.products import create_product
from shop_client.api.webhooks import receive_payment_event
from shop_client.errors import UnexpectedStatus
from shop_client.models import (
    NewOrder, NewProduct, Order, OrderStatus, OrderUpdate, PaymentData, PaymentEvent, PaymentEventReceipt, Problem,
    ProblemType,
)
from shop_client.types import Response

BASE_URL = os.environ.get("BASE_URL", "http://127.0.0.1:8080")
API_KEY = os.environ.get("API_KEY", "")
WEBHOOK_SECRET = os.environ.get("WEBHOOK_SECRET", "")

T = TypeVar("T")
service = AuthenticatedClient(base_url=BASE_URL, token=API_KEY, prefix="", auth_header_name="X-API-Key")


class Refused(Exception):
    """The service refused a request, for the reason in `problem`."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def settle(send: Callable[[], Response[T | Problem]]) -> T:
    """Sends a request until its outcome is known. A POST needs an Idempotency-Key, so that it is done once at most."""
    attempts_left = 4
    while True:
        try:
            answer = send()
        except httpx.TransportError:
            if attempts_left == 0:
                raise
            seconds = 1
        else:
            if answer.parsed is None:
                raise UnexpectedStatus(answer.status_code, answer.content)
            if not isinstance(answer.parsed, Problem):
                return answer.parsed
            if attempts_left == 0 or answer.status_code not in (408, 429, 500, 503):
                raise Refused(answer.parsed)
            seconds = int(answer.headers.get("Retry-After", 1))
        time.sleep(seconds)
        attempts_left -= 1


def problem_of(send: Callable[[], Response[T | Problem]]) -> Problem:
    """What a request is refused with; fails where it is not refused."""
    try:
        settle(send)
    except Refused as refused:
        return refused.problem
    raise AssertionError("it was not refused")


class Signed(httpx.Auth):
    """Signs a webhook as a payment provider does: over the bytes that are sent."""

    requires_request_body = True

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        now = int(time.time())
        mac = hmac.new(WEBHOOK_SECRET.encode(), f"{now}.".encode() + request.content, hashlib.sha256)
        request.headers["X-Webhook-Signature"] = f"t={now},v1={mac.hexdigest()}"
        yield request


def report_payment(order: Order) -> PaymentEventReceipt:
    data = PaymentData(order_id=order.id, payment_id=f"pay_{order.id}", amount=order.total)
    event = PaymentEvent(id=f"evt_{order.id}", type_="payment.succeeded", data=data)
    header = "X-Webhook-Signature"
    provider = AuthenticatedClient(
        base_url=BASE_URL, token="", prefix="", auth_header_name=header, httpx_args={"auth": Signed()}
    )
    return settle(lambda: receive_payment_event.sync_detailed(client=provider, body=event))


def main() -> None:
    mug = NewProduct(sku="MUG-BLUE", name="Blue mug", price=12.5, stock=40)
    create_key = str(uuid.uuid4())
    product = settle(lambda: create_product.sync_detailed(client=service, body=mug, idempotency_key=create_key))
    print(f"product {product.id}: {product.stock} in stock")

    two = NewOrder(product_id=product.id, quantity=2)
    checkout_key = str(uuid.uuid4())
    placed = settle(lambda: create_order.sync_detailed(client=service, body=two, idempotency_key=checkout_key))
    print(f"order {placed.id}: {placed.status.value}, {placed.total:.2f} to pay")

    receipt = report_payment(placed)
    paid = settle(lambda: get_order.sync_detailed(placed.id, client=service))
    print(f"payment {receipt.result.value}, order {paid.id}: {paid.status.value}")

    ship = OrderUpdate(status=OrderStatus.SHIPPED)
    shipped = settle(lambda: update_order.sync_detailed(placed.id, client=service, body=ship))
    print(f"order {shipped.id}: {shipped.status.value}")

    many = NewOrder(product_id=product.id, quantity=100)
    short = problem_of(lambda: create_order.sync_detailed(client=service, body=many))
    if short.type_ is ProblemType.INSUFFICIENT_STOCK:
        print(f"{short.status}: {short.requested} requested, {short.available} available")

    inexact = NewProduct(sku="MUG-RED", name="Red mug", price=12.345, stock=1)
    invalid = problem_of(lambda: create_product.sync_detailed(client=service, body=inexact))
    if invalid.type_ is ProblemType.VALIDATION_FAILED:
        for failure in invalid.errors or []:
            print(f"{invalid.status}: {failure.pointer} {failure.detail}")


main()
