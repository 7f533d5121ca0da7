//! The settings of Stripe's webhook.

use std::time::Duration;

use clap::Args;

use super::values::{currency, whole_number};
use super::{BadSetting, SecretText};
use crate::domain::Currency;

/// The settings of Stripe's webhook.
#[derive(Clone, Debug, Args)]
pub struct StripeSettings {
    /// Signing secret of the webhook endpoint at Stripe; without it its events are refused
    #[arg(
        long,
        env,
        global = true,
        hide_env_values = true,
        default_value = "",
        hide_default_value = true
    )]
    pub stripe_webhook_secret: SecretText,

    /// Previous signing secret, accepted as well during a rotation
    #[arg(
        long,
        env,
        global = true,
        hide_env_values = true,
        default_value = "",
        hide_default_value = true
    )]
    pub stripe_webhook_secret_previous: SecretText,

    /// Currency of the prices, such as EUR (ISO 4217); required with a Stripe secret
    #[arg(long, env, global = true, value_parser = currency)]
    pub currency: Option<Currency>,

    /// Whether events of Stripe's live mode count; false for those of test mode
    #[arg(long, env, global = true, default_value_t = true, action = clap::ArgAction::Set)]
    pub stripe_livemode: bool,

    /// Key of the metadata at Stripe that has the order's id
    #[arg(long, env, global = true, default_value = "order_id")]
    pub stripe_order_key: String,

    /// Connected account whose events count; unset for events that name no account
    #[arg(long, env, global = true)]
    pub stripe_account: Option<String>,

    /// How long an unpaid order is held at least for a payment that is on its way
    #[arg(long, env, global = true, default_value_t = 1_209_600, value_parser = whole_number::<u64>(0..=31_536_000))]
    pub payment_hold_seconds: u64,
}

/// The longest key of metadata at Stripe (docs.stripe.com/api/metadata).
const ORDER_KEY_CHARACTERS_MAX: usize = 40;

impl StripeSettings {
    /// Refuses settings that are invalid together.
    ///
    /// # Errors
    /// [`BadSetting`] for a secret without a currency or an old secret without a new one, and for a key or an account that
    /// Stripe cannot have.
    pub(super) fn check(&self) -> Result<(), BadSetting> {
        let bad = |line: &str| Err(BadSetting(line.to_owned()));
        let (secret, previous) = (&self.stripe_webhook_secret, &self.stripe_webhook_secret_previous);
        if secret.as_str().is_empty() && !previous.as_str().is_empty() {
            return bad("STRIPE_WEBHOOK_SECRET: must be set where STRIPE_WEBHOOK_SECRET_PREVIOUS is");
        }
        if !secret.as_str().is_empty() && self.currency.is_none() {
            return bad("CURRENCY: must be set with STRIPE_WEBHOOK_SECRET, to the currency of the prices, such as EUR");
        }
        let key = self.stripe_order_key.as_str();
        if key.is_empty()
            || key.trim() != key
            || key.chars().count() > ORDER_KEY_CHARACTERS_MAX
            || key.contains(['[', ']'])
        {
            return bad(
                "STRIPE_ORDER_KEY: must be a key of metadata: 1 to 40 characters, no square brackets, no space at an end",
            );
        }
        if self.stripe_account.as_ref().is_some_and(|id| !is_account(id)) {
            return bad("STRIPE_ACCOUNT: must be the id of a connected account, such as acct_1");
        }
        Ok(())
    }

    /// For how long an order is held for a payment that is on its way.
    pub const fn payment_hold(&self) -> Duration {
        Duration::from_secs(self.payment_hold_seconds)
    }
}

/// Whether a connected account can have this id.
fn is_account(id: &str) -> bool {
    let rest = id.strip_prefix("acct_").unwrap_or_default();
    !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
