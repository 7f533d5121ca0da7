//! `/webhooks/stripe`, with the real router: each row of the table of what Stripe's events do, what went wrong elsewhere,
//! forgeries and repetitions, warnings, and random payments whose events come in any order.

mod disputes;
mod envelope;
mod forgery;
mod holds;
mod mismatches;
mod money;
mod orders;
mod paid;
mod refunds;
mod simultaneous;
mod steps;
mod warnings;
