//! The table of metrics: name, type, labels and meaning of each.
//!
//! Names follow Prometheus: base units (seconds, bytes), `_total` for counters. Every label has a bounded set of
//! values; no text of a client becomes one.

use super::Kind::{Counter, Gauge, Histogram};
use super::Metric;

macro_rules! table {
    ($($constant:ident: $kind:ident $name:literal $labels:tt $help:literal;)*) => {
        $(#[doc = $help] pub const $constant: &str = $name;)*
        /// Every metric.
        pub const ALL: &[Metric] = &[$(Metric { name: $constant, kind: $kind, labels: &$labels, help: $help }),*];
    };
}

table! {
    HTTP_REQUESTS: Counter "http_requests_total" ["route", "method", "status"]
        "Requests answered, by operation of the contract (HEAD counts as GET); all others have the route and method other";
    HTTP_REQUEST_DURATION: Histogram "http_request_duration_seconds" ["route", "method"]
        "Time from a request's head to the head of its response";
    HTTP_REQUESTS_IN_FLIGHT: Gauge "http_requests_in_flight" []
        "Requests in progress";
    HTTP_CONNECTIONS_OPEN: Gauge "http_connections_open" []
        "Open client connections";
    HTTP_CONNECTIONS_REFUSED: Counter "http_connections_refused_total" []
        "Connections closed at once because there were too many";
    HTTP_CONNECTIONS_SHED: Counter "http_connections_shed_total" []
        "Connections closed for others: the one idle longest where there are too many, the largest where memory is short";
    HTTP_PROBLEMS: Counter "http_problems_total" ["type"]
        "Error responses, by type; rate-limited and overloaded count the requests refused by admission control";

    ORDERS_PLACED: Counter "shop_orders_placed_total" []
        "Orders placed; replayed responses are not counted";
    ORDERS_REFUSED: Counter "shop_orders_refused_total" ["reason"]
        "Orders not placed, by the type of the error";
    ORDERS_PAID: Counter "shop_orders_paid_total" []
        "Orders that became PAID";
    ORDERS_SHIPPED: Counter "shop_orders_shipped_total" []
        "Orders that became SHIPPED";
    ORDERS_CANCELED: Counter "shop_orders_canceled_total" ["by"]
        "Orders that became CANCELED, by a caller or by a refund; expired orders are not counted";
    ORDERS_EXPIRED: Counter "shop_orders_expired_total" []
        "Orders that became CANCELED because they were not paid in time";
    ORDERS_OVERDUE: Gauge "shop_orders_overdue" []
        "Orders that should have expired by now; counting stops at 1000";
    ORDERS_REFUND_DUE: Gauge "shop_orders_refund_due" []
        "Canceled orders that owe money back; counting stops at 1000";

    WEBHOOK_EVENTS: Counter "shop_webhook_events_total" ["provider", "fact", "result"]
        "Payment events accepted, by provider, by what they say and by result";
    WEBHOOK_SIGNATURES_REFUSED: Counter "shop_webhook_signatures_refused_total" ["reason"]
        "Webhook calls refused because of their signature, by reason";
    MONEY_NEEDING_A_PERSON: Counter "shop_money_needing_a_person_total" ["result"]
        "Payments and refunds that a person has to check, by result";

    STORE_QUEUE_LENGTH: Gauge "shop_store_queue_length" []
        "Writes waiting in the queue";
    STORE_QUEUE_CAPACITY: Gauge "shop_store_queue_capacity" []
        "Writes that may wait in the queue; more are refused";
    STORE_WRITES_REFUSED: Counter "shop_store_writes_refused_total" ["reason"]
        "Writes refused before they began: the queue was full, the deadline had passed or the caller had left";
    STORE_BATCH_WRITES: Histogram "shop_store_batch_writes" []
        "Writes that shared a transaction";
    STORE_COMMIT_DURATION: Histogram "shop_store_commit_duration_seconds" []
        "How long a transaction's commit took, including the sync to disk";
    STORE_BATCHES_FAILED: Counter "shop_store_batches_failed_total" []
        "Transactions that failed in the storage and were rolled back";
    STORE_READS_FAILED: Counter "shop_store_reads_failed_total" []
        "Reads and scans that the storage failed to answer";
    STORE_READERS: Gauge "shop_store_readers" []
        "Read connections in the pool";
    STORE_READS_RUNNING: Gauge "shop_store_reads_running" []
        "Reads and scans in progress, each on a connection";
    STORE_READ_WAIT: Histogram "shop_store_read_wait_seconds" ["kind"]
        "How long a read waited for a connection, or a scan for its turn; `lookups` in PostgreSQL is a statement that answers several reads";
    STORE_SCANS_REFUSED: Counter "shop_store_scans_refused_total" []
        "Scans not begun because their turn did not come in time";
    STORE_CONNECTS: Counter "shop_store_connects_total" []
        "Connections of the writer to a PostgreSQL database";
    STORE_RETRIES: Counter "shop_store_retries_total" []
        "Transactions in PostgreSQL that were tried again, because of a conflict or of a lost connection";
    STORE_TURN_WAIT: Histogram "shop_store_turn_wait_seconds" []
        "How long a transaction in PostgreSQL waited for those of other instances";
    STORE_CONNECTIONS: Gauge "shop_store_connections" []
        "Open connections of those that read from PostgreSQL";
    STORE_READS_WAITING: Gauge "shop_store_reads_waiting" []
        "Reads that wait for a connection to PostgreSQL";
    STORE_REPLICAS: Gauge "shop_store_replicas" []
        "Servers that copy from the PostgreSQL primary";
    STORE_SYNCHRONOUS: Gauge "shop_store_synchronous" []
        "1 where a commit in PostgreSQL waits for a replica, else 0";
    STORE_DATABASE: Gauge "shop_store_database_bytes" []
        "Size of the database";
    STORE_WAL: Gauge "shop_store_wal_bytes" []
        "Size of the write-ahead log beside it; 0 with PostgreSQL";
    STORE_DISK: Gauge "shop_store_disk_bytes" []
        "Size of the file system that holds the database; 0 with PostgreSQL";
    STORE_DISK_FREE: Gauge "shop_store_disk_free_bytes" []
        "Free space of that file system, for the service; 0 with PostgreSQL";

    BUILD_INFO: Gauge "shop_build_info" ["version"]
        "Always 1; the label is the running version";
    PROCESS_CPU: Counter "process_cpu_seconds_total" []
        "Processor time used, in user and system mode";
    PROCESS_OPEN_FDS: Gauge "process_open_fds" []
        "Open file descriptors";
    PROCESS_MAX_FDS: Gauge "process_max_fds" []
        "Limit of open file descriptors";
    PROCESS_RESIDENT_MEMORY: Gauge "process_resident_memory_bytes" []
        "Resident memory";
    PROCESS_VIRTUAL_MEMORY: Gauge "process_virtual_memory_bytes" []
        "Virtual memory";
    PROCESS_VIRTUAL_MEMORY_MAX: Gauge "process_virtual_memory_max_bytes" []
        "Limit of virtual memory, 0 for none";
    PROCESS_THREADS: Gauge "process_threads" []
        "Threads of the process";
    PROCESS_START_TIME: Gauge "process_start_time_seconds" []
        "When the process started, in Unix time";
}
