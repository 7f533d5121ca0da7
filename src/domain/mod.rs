//! The rules of the store: values, products and their stock, orders and their states, payments.
//!
//! Pure: no SQL, HTTP, async, clock or randomness. Times and ids are handed in, and everything here is a function of
//! its arguments. How long a text or how large a number a caller may send is not decided here but by the contract, at
//! the door; here stand the rules without which the numbers would make no sense.

pub mod order;
pub mod payment;
pub mod product;
pub mod values;
pub mod version;

pub use order::{NewOrder, Order, OrderChange, Refusal, State, StateParts, Status};
pub use payment::{
    Balance, Content, Currency, Dispute, DisputeId, DisputeState, DisputeTold, EventId, EventNumber, EventResult,
    EventType, Fact, FactKind, Hold, ListedPayment, Minor, NewPayment, Notice, Payment, PaymentEvent, PaymentId,
    Provider, RecordedEvent, Refund, RefundId, RefundTold, Sum,
};
pub use product::{NewMovement, NewProduct, Product, ProductChange, Reason, StockMovement, StockRefusal};
pub use values::{
    Amount, Delta, Invalid, Money, MovementId, Note, OrderId, Price, ProductId, ProductName, Quantity, Reference,
    SearchText, Sku, Stock, Timestamp,
};
pub use version::{Expected, Resource, Unexpected, Version, Versions};
