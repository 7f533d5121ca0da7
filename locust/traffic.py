"""The visitors' behavior in figures, for the Locust file and the reports.

Reads to writes. A visitor browses 7 times while buying 2 times. Browsing is two reads: the next page of products, then
one product of it. Buying is two writes and a read: an order, its payment (one time in five its cancellation), and a read of
the order. That is 16 reads to 4 writes, 4:1. A shop has more reads, but reads are cheap and do not wait for each other,
while every write goes through one queue and waits for the disk. The ratio 4:1, as on a day of sales, loads both.

The waits of 100 to 500 ms between tasks are short. They bound the load: a visitor does on average at most one task in
0.3 s, however fast the service is.
"""

BROWSE, BUY, CANCELED_EVERY = 7, 2, 5
WAIT_SECONDS = (0.1, 0.5)

# The requests by route, as Locust counts them.
PAGES, PRODUCT, NEW_PRODUCT = "GET /products", "GET /products/{id}", "POST /products"
NEW_ORDER, SOLD_OUT, ORDER = "POST /orders", "POST /orders (sold out)", "GET /orders/{id}"
PAYMENT, CANCEL = "POST /webhooks/payment", "PUT /orders/{id}"
NAMES = [PAGES, PRODUCT, NEW_PRODUCT, NEW_ORDER, SOLD_OUT, ORDER, PAYMENT, CANCEL]
