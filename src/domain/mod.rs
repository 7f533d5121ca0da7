//! The rules of the store: values, products and their stock, orders and their states.
//!
//! Pure: no SQL, HTTP, async, clock or randomness. Times and ids are handed in, and everything here is a function of
//! its arguments. How long a text or how large a number a caller may send is not decided here but by the contract, at
//! the door; here stand the rules without which the numbers would make no sense.

pub mod order;
pub mod product;
pub mod values;

pub use order::{NewOrder, Order, OrderChange, Refusal, State, Status};
pub use product::{NewMovement, NewProduct, Product, ProductChange, Reason, StockMovement, StockRefusal};
pub use values::{
    Delta, Invalid, Money, MovementId, Note, OrderId, Price, ProductId, ProductName, Quantity, Sku, Stock, Timestamp,
};
