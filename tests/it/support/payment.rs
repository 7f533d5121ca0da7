//! How an order is paid. Until the webhook is there, no request can do it, so what the webhook will write is written
//! into the file here: the only function to replace then.

use std::time::Duration;

use rusqlite::{Connection, params};

use super::TestApp;

impl TestApp {
    /// Pays a pending order, now.
    pub(crate) fn pay(&self, order_id: i64) {
        let connection = Connection::open(self.database()).unwrap();
        connection.busy_timeout(Duration::from_secs(60)).unwrap();
        let changed = connection.execute(
            "UPDATE orders SET status = 'PAID', paid_at_ms = ?2, updated_at_ms = ?2 \
             WHERE id = ?1 AND status = 'PENDING'",
            params![order_id, self.clock.now_ms()],
        );
        assert_eq!(changed, Ok(1), "order {order_id} cannot be paid");
    }
}
