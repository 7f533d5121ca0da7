//! Checks stock and ledger for consistency, through the API and by the audit.

use std::collections::HashMap;

use serde_json::Value;

use super::app::id;
use super::{Client, TestApp};

impl Client {
    /// Every item of a list, page after page by the `Link` header, which must agree with `next_cursor`.
    pub(crate) async fn walk(&self, path: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut next = Some(path.to_owned());
        while let Some(path) = next {
            let page;
            (page, next) = self.page(&path).await;
            items.extend(page);
        }
        items
    }

    /// The items of one page, and the path of the next.
    pub(crate) async fn page(&self, path: &str) -> (Vec<Value>, Option<String>) {
        let answer = self.get(path).await.expect(200);
        let next = answer.header("link").map(|link| {
            let target = link
                .strip_prefix('<')
                .and_then(|link| link.strip_suffix(r#">; rel="next""#));
            target
                .unwrap_or_else(|| panic!("the Link header has no next page: {link}"))
                .to_owned()
        });
        assert_ne!(next.as_deref(), Some(path), "the page's next page is itself");
        let mut page = answer.value();
        let linked = next.as_deref().and_then(|target| {
            let (_, query) = target.split_once('?')?;
            query.split('&').find_map(|pair| pair.strip_prefix("cursor="))
        });
        assert_eq!(
            linked,
            page["next_cursor"].as_str(),
            "Link and next_cursor differ at {path}"
        );
        let Value::Array(items) = page["items"].take() else {
            panic!("no items: {page}")
        };
        (items, next)
    }
}

impl TestApp {
    /// The items of all lists, which a refused request must not change.
    pub(crate) async fn snapshot(&self) -> Vec<Value> {
        let mut all = self.walk("/orders?limit=100").await;
        all.extend(self.walk("/payment-events?limit=100").await);
        for product in self.walk("/products?limit=100").await {
            all.extend(self.ledger(id(&product)).await);
            all.push(product);
        }
        all
    }

    /// The ledger of a product, newest first.
    pub(crate) async fn ledger(&self, product_id: i64) -> Vec<Value> {
        self.walk(&format!("/products/{product_id}/stock-movements?limit=100"))
            .await
    }

    /// For every product: its stock equals the sum of its ledger and the newest `stock_after`, each entry follows from
    /// the previous one, and the entries of each order add up to its units.
    pub(crate) async fn assert_ledger_adds_up(&self) {
        let mut held: HashMap<i64, i64> = HashMap::new();
        for order in self.walk("/orders?limit=100").await {
            let units = if order["status"] == "CANCELED" {
                0
            } else {
                number(&order, "quantity")
            };
            held.insert(id(&order), units);
        }
        let mut accounted: HashMap<i64, i64> = HashMap::new();
        for product in self.walk("/products?limit=100").await {
            let ledger = self.ledger(id(&product)).await;
            let mut stock = 0;
            for movement in ledger.iter().rev() {
                stock += number(movement, "delta");
                assert_eq!(number(movement, "stock_after"), stock, "{movement}");
                if let Some(order_id) = movement["order_id"].as_i64() {
                    *accounted.entry(order_id).or_default() -= number(movement, "delta");
                }
            }
            assert_eq!(number(&product, "stock"), stock, "the ledger of {product}");
        }
        // Deleted orders have no units.
        for order_id in accounted.keys() {
            held.entry(*order_id).or_default();
        }
        assert_eq!(accounted, held, "units by order, in the ledger and in the orders");
        self.assert_audit_is_clean();
    }

    /// Asserts that the audit finds nothing, also in data that the API does not show.
    pub(crate) fn assert_audit_is_clean(&self) {
        let report = self.audit();
        assert!(report.is_clean(), "{report}");
    }
}

#[track_caller]
fn number(item: &Value, member: &str) -> i64 {
    item[member].as_i64().unwrap_or_else(|| panic!("no {member}: {item}"))
}
