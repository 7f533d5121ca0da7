//! The shop in memory, too simple to be wrong: no types, no files, no versions kept but what a comparison gives.

use std::collections::{BTreeMap, BTreeSet};

use super::{HOUR_MS, Step, Sum};
use crate::domain::Status;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Product {
    pub(super) sku: u8,
    pub(super) cents: i64,
    pub(super) stock: i64,
    pub(super) version: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) product: i64,
    pub(super) units: i64,
    pub(super) cents: i64,
    pub(super) status: Status,
    pub(super) was_paid: bool,
    pub(super) expires: Option<i64>,
    pub(super) owes: bool,
    pub(super) version: i64,
}

/// What an event says, or said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) kind: &'static str,
    pub(super) order: Option<i64>,
    pub(super) payment: Option<u8>,
    pub(super) refund: Option<u8>,
    pub(super) cents: Option<i64>,
}

/// An event as it was recorded: its id, what it said, and its result.
pub(super) type Recorded = (u8, Said, &'static str);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Payment {
    pub(super) order: i64,
    pub(super) name: Option<u8>,
    pub(super) cents: Option<i64>,
    pub(super) back: i64,
    pub(super) is_own: bool,
}

/// A refund that waits for its payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) order: i64,
    pub(super) payment: u8,
    pub(super) cents: Option<i64>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) products: BTreeMap<i64, Product>,
    pub(super) orders: BTreeMap<i64, Order>,
    /// Every event, in the order of arrival.
    pub(super) events: Vec<Recorded>,
    /// Payments that were not all given back, the oldest first.
    pub(super) open: Vec<Payment>,
    /// The oldest first.
    pub(super) kept: Vec<Kept>,
    /// Refunds that counted or are kept: their order, and the name of the refund or else of its event.
    pub(super) refunds: BTreeSet<(i64, String)>,
    pub(super) last_product: i64,
    pub(super) last_order: i64,
    /// For each key its body, the order that came of it, and when.
    pub(super) answers: BTreeMap<u8, ((i64, i64), i64, i64)>,
}

/// What comes of a step, in a word, or why it is refused.
pub(super) type Outcome = Result<String, &'static str>;

type Done = Result<(), &'static str>;

impl Model {
    /// What must come of this step; a refused one changes nothing.
    pub(super) fn apply(&mut self, step: &Step, now: i64) -> Outcome {
        let mut after = self.clone();
        let done = |done: Done| done.map(|()| String::new());
        let outcome = match *step {
            Step::Create { sku, cents, stock } => done(after.create(sku, cents, stock)),
            Step::Change {
                product,
                sku,
                cents,
                stock,
            } => done(after.change(product, sku, cents, stock)),
            Step::Delete { product } => done(after.delete(product)),
            Step::Adjust { product, delta } => done(after.take(product, -delta)),
            Step::Place { product, units, hours } => done(after.place(product, units, hours, now)),
            Step::PlaceOnce { key, product, units } => after.place_once(key, product, units, now),
            Step::Ask {
                order,
                status,
                units,
                version,
            } => done(after.ask(order, status, units, version)),
            Step::Remove { order } => done(after.remove(order)),
            Step::Paid { event, .. } | Step::Refunded { event, .. } | Step::Failed { event, .. } => {
                let said = after.said(step);
                after.hear(event, said)
            }
            Step::Expire { limit } => Ok(after.expire(limit, now)),
            Step::Sweep { limit } => Ok(after.sweep(limit, now)),
            Step::Wait { .. } => Ok(String::new()),
        };
        if outcome.is_ok() {
            after.owe();
            after.count_versions(self);
            *self = after;
        }
        outcome
    }

    /// What an order costs; of one that is gone nobody knows, so it is something.
    fn total(&self, order: i64) -> i64 {
        self.orders.get(&order).map_or(100, |order| order.units * order.cents)
    }

    /// What the provider says in this step, with the cents counted out.
    pub(super) fn said(&self, step: &Step) -> Said {
        let cents = |order, sum| match sum {
            Sum::Unnamed => None,
            Sum::Total => Some(self.total(order)),
            Sum::Half => Some((self.total(order) / 2).max(1)),
            Sum::TooMuch => Some(self.total(order) + 1),
        };
        let said = |kind, order, payment, cents| Said {
            kind,
            order: Some(order),
            payment,
            refund: None,
            cents,
        };
        match *step {
            Step::Paid {
                order, payment, sum, ..
            } => said("payment.succeeded", order, payment, cents(order, sum)),
            Step::Refunded {
                order,
                payment,
                refund,
                sum,
                ..
            } => Said {
                refund,
                ..said("payment.refunded", order, payment, cents(order, sum))
            },
            Step::Failed { order, payment, .. } => said("payment.failed", order, payment, None),
            Step::Create { .. }
            | Step::Change { .. }
            | Step::Delete { .. }
            | Step::Adjust { .. }
            | Step::Place { .. }
            | Step::PlaceOnce { .. }
            | Step::Ask { .. }
            | Step::Remove { .. }
            | Step::Expire { .. }
            | Step::Sweep { .. }
            | Step::Wait { .. } => said("nothing", 0, None, None),
        }
    }

    fn check_sku(&self, sku: u8) -> Done {
        if self.products.values().any(|product| product.sku == sku) {
            Err("duplicate")
        } else {
            Ok(())
        }
    }

    fn create(&mut self, sku: u8, cents: i64, stock: i64) -> Done {
        self.check_sku(sku)?;
        self.last_product += 1;
        let product = Product {
            sku,
            cents,
            stock,
            version: 1,
        };
        self.products.insert(self.last_product, product);
        Ok(())
    }

    fn change(&mut self, id: i64, sku: Option<u8>, cents: Option<i64>, stock: Option<i64>) -> Done {
        let mut product = self.products.remove(&id).ok_or("no product")?;
        if let Some(sku) = sku {
            self.check_sku(sku)?;
            product.sku = sku;
        }
        product.cents = cents.unwrap_or(product.cents);
        product.stock = stock.unwrap_or(product.stock);
        self.products.insert(id, product);
        Ok(())
    }

    fn delete(&mut self, id: i64) -> Done {
        self.products.remove(&id).ok_or("no product")?;
        if self.orders.values().any(|order| order.product == id) {
            Err("in use")
        } else {
            Ok(())
        }
    }

    fn take(&mut self, product: i64, units: i64) -> Done {
        let product = self.products.get_mut(&product).ok_or("no product")?;
        product.stock -= units;
        product.version += i64::from(units != 0);
        if product.stock < 0 { Err("insufficient") } else { Ok(()) }
    }

    fn place(&mut self, product: i64, units: i64, hours: i64, now: i64) -> Done {
        self.take(product, units)?;
        self.last_order += 1;
        let order = Order {
            product,
            units,
            cents: self.products[&product].cents,
            status: Status::Pending,
            was_paid: false,
            expires: (hours > 0).then_some(now + hours * HOUR_MS),
            owes: false,
            version: 1,
        };
        self.orders.insert(self.last_order, order);
        Ok(())
    }

    fn place_once(&mut self, key: u8, product: i64, units: i64, now: i64) -> Outcome {
        match self.answers.get(&key) {
            Some((body, order, at)) if now - at < 24 * HOUR_MS => {
                if *body == (product, units) {
                    Ok(format!("replayed {order}"))
                } else {
                    Err("reused")
                }
            }
            _ => {
                self.place(product, units, 0, now)?;
                self.answers.insert(key, ((product, units), self.last_order, now));
                Ok(format!("fresh {}", self.last_order))
            }
        }
    }

    fn ask(&mut self, id: i64, status: Option<Status>, units: Option<i64>, version: Option<i64>) -> Done {
        let before = self.orders.get(&id).ok_or("no order")?.clone();
        if version.is_some_and(|version| version != before.version) {
            return Err("stale");
        }
        let mut after = before.clone();
        after.status = status.unwrap_or(before.status);
        after.units = units.unwrap_or(before.units);
        let is_step = matches!(
            (before.status, after.status),
            (Status::Pending | Status::Paid, Status::Canceled) | (Status::Paid, Status::Shipped)
        );
        if before.status != after.status && !is_step {
            return Err("no way");
        }
        let stays_pending = (before.status, after.status) == (Status::Pending, Status::Pending);
        if before.units != after.units && !stays_pending {
            return Err("settled");
        }
        if after.status == Status::Canceled && before.status != Status::Canceled {
            return self.cancel(id);
        }
        if stays_pending {
            self.take(before.product, after.units - before.units)?;
        }
        self.orders.insert(id, after);
        Ok(())
    }

    fn cancel(&mut self, id: i64) -> Done {
        let order = self.orders.get_mut(&id).ok_or("no order")?;
        (order.status, order.expires) = (Status::Canceled, None);
        let (product, units) = (order.product, order.units);
        self.take(product, -units)
    }

    fn remove(&mut self, id: i64) -> Done {
        let order = self.orders.remove(&id).ok_or("no order")?;
        let has_recorded_payment = |(_, said, _): &Recorded| said.kind == "payment.succeeded" && said.order == Some(id);
        match order.status {
            _ if self.events.iter().any(has_recorded_payment) => Err("has a payment"),
            Status::Pending => self.take(order.product, -order.units),
            Status::Paid | Status::Shipped | Status::Canceled => Ok(()),
        }
    }

    fn hear(&mut self, event: u8, said: Said) -> Outcome {
        if self.events.iter().any(|(id, ..)| *id == event) {
            return Ok("duplicate".to_owned());
        }
        let Said {
            kind,
            order,
            payment,
            refund,
            cents,
        } = said;
        let order = order.ok_or("no order")?;
        let result = match kind {
            "payment.failed" => "ignored",
            _ if order > self.last_order => return Err("no order"),
            "payment.succeeded" => self.paid(order, payment, cents),
            _ => {
                let id = refund.map_or_else(|| format!("evt-{event}"), |refund| format!("ref-{refund}"));
                match self.refunds.contains(&(order, id.clone())) {
                    true => "ignored",
                    false => self.refunded(order, payment, cents, id)?,
                }
            }
        };
        self.events.push((event, said, result));
        Ok(result.to_owned())
    }

    fn paid(&mut self, id: i64, name: Option<u8>, cents: Option<i64>) -> &'static str {
        if self.was_paid(id, name) {
            return "ignored";
        }
        let total = self.total(id);
        let mut payment = Payment {
            order: id,
            name,
            cents: Some(cents.unwrap_or(total)),
            back: 0,
            is_own: false,
        };
        if !self.orders.contains_key(&id) {
            payment.cents = cents;
        }
        let is_of_it = |kept: &Kept| kept.order == id && Some(kept.payment) == name;
        let came_before: Vec<_> = self.kept.extract_if(.., |kept| is_of_it(kept)).collect();
        payment.back = came_before.iter().filter_map(|kept| kept.cents).sum();
        if came_before.iter().any(|kept| kept.cents.is_none()) || payment.cents.is_some_and(|all| payment.back >= all) {
            return "ignored";
        }
        let result = match self.orders.get_mut(&id) {
            None => "order_gone",
            Some(order) => match order.status {
                Status::Pending if payment.cents == Some(total) => {
                    (order.status, order.was_paid, order.expires) = (Status::Paid, true, None);
                    payment.is_own = true;
                    "applied"
                }
                Status::Pending => "amount_mismatch",
                Status::Paid | Status::Shipped => "duplicate_payment",
                Status::Canceled => "refund_due",
            },
        };
        self.open.push(payment);
        result
    }

    /// Whether a payment of this name was told of before.
    fn was_paid(&self, id: i64, name: Option<u8>) -> bool {
        let is_it = |said: &Said| said.kind == "payment.succeeded" && said.order == Some(id) && said.payment == name;
        name.is_some() && self.events.iter().any(|(_, said, _)| is_it(said))
    }

    fn refunded(
        &mut self,
        id: i64,
        name: Option<u8>,
        cents: Option<i64>,
        refund: String,
    ) -> Result<&'static str, &'static str> {
        let newest = |fits: &dyn Fn(&Payment) -> bool| {
            let found = self
                .open
                .iter()
                .enumerate()
                .rev()
                .find(|(_, payment)| payment.order == id && fits(payment));
            found.map(|(place, _)| place)
        };
        let place = match name {
            None => newest(&|_| true),
            // One that is there, open or not, is the one.
            Some(_) if self.was_paid(id, name) => newest(&|payment| payment.name == name),
            Some(_) => newest(&|payment| payment.name.is_none()),
        };
        let Some(place) = place else {
            let Some(payment) = name else {
                return Ok("ignored");
            };
            self.refunds.insert((id, refund));
            if !self.was_paid(id, name) {
                self.kept.push(Kept {
                    order: id,
                    payment,
                    cents,
                });
            }
            return Ok("ignored");
        };
        self.refunds.insert((id, refund));
        let payment = &mut self.open[place];
        let is_all = match (cents, payment.cents) {
            (None, _) => true,
            (Some(cents), Some(all)) => payment.back + cents >= all,
            (Some(_), None) => false,
        };
        if !is_all {
            payment.back += cents.unwrap_or_default();
            return Ok("partial_refund");
        }
        let was_own = self.open.remove(place).is_own;
        if was_own && self.orders.get(&id).is_some_and(|order| order.status == Status::Paid) {
            self.cancel(id)?;
        }
        Ok("applied")
    }

    fn expire(&mut self, limit: usize, now: i64) -> String {
        let is_due = |order: &Order| order.expires.filter(|expires| *expires <= now);
        let mut due: Vec<_> = self
            .orders
            .iter()
            .filter_map(|(id, order)| Some((is_due(order)?, *id)))
            .collect();
        due.sort_unstable();
        let count = due.len().min(limit);
        for (_, id) in &due[..count] {
            self.cancel(*id).unwrap();
        }
        format!("{count} expired, more: {}", due.len() > limit)
    }

    fn sweep(&mut self, limit: usize, now: i64) -> String {
        let is_old = |at: i64| now - at >= 24 * HOUR_MS;
        let old = self.answers.iter().filter(|(_, (_, _, at))| is_old(*at));
        let mut old: Vec<_> = old.map(|(key, (_, _, at))| (*at, *key)).collect();
        old.sort_unstable();
        let swept: BTreeSet<_> = old.into_iter().take(limit).map(|(_, key)| key).collect();
        self.answers.retain(|key, _| !swept.contains(key));
        format!("{} swept", swept.len())
    }

    /// An order owes what is open, if it is canceled.
    fn owe(&mut self) {
        for (id, order) in &mut self.orders {
            let is_open = self.open.iter().any(|payment| payment.order == *id);
            order.owes = order.status == Status::Canceled && is_open;
        }
    }

    /// What is not as it was is in its next version. Stock counts by itself, for several orders can move it in one step.
    fn count_versions(&mut self, before: &Self) {
        for (id, product) in &mut self.products {
            let is_uncounted = |before: &Product| before != product && before.version == product.version;
            if before.products.get(id).is_some_and(is_uncounted) {
                product.version += 1;
            }
        }
        for (id, order) in &mut self.orders {
            if before.orders.get(id).is_some_and(|before| before != order) {
                order.version += 1;
            }
        }
    }
}
