"""What the visitors do, in figures, for the Locust file and for what reports on it.

Reads to writes. A visitor browses 7 times while buying 2 times. Browsing is two reads: the next page of products, then
one product of it. Buying is two writes and a read: an order, its payment (one time in five its cancellation), the order
as it then is. That is 16 reads to 4 writes, 4:1. A shop has more reads than that, but reads are cheap and never wait for
each other, while every write goes through one queue and waits for the disk; 4:1 is a day of sales, which tries both.

Waits of 100 to 500 ms between the tasks are those of visitors in a hurry. They bound the load: a visitor does at most one
task in 0.3 s on average, however fast the service is.
"""

BROWSE, BUY, CANCELED_EVERY = 7, 2, 5
WAIT_SECONDS = (0.1, 0.5)

# The requests by their routes, as they are counted.
PAGES, PRODUCT, NEW_PRODUCT = "GET /products", "GET /products/{id}", "POST /products"
NEW_ORDER, SOLD_OUT, ORDER = "POST /orders", "POST /orders (sold out)", "GET /orders/{id}"
PAYMENT, CANCEL = "POST /webhooks/payment", "PUT /orders/{id}"
NAMES = [PAGES, PRODUCT, NEW_PRODUCT, NEW_ORDER, SOLD_OUT, ORDER, PAYMENT, CANCEL]
