//! How the text of a setting becomes its value. A refusal says what is allowed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use crate::domain::Currency;

/// A whole number of this range.
pub(super) fn whole_number<T: TryFrom<u64>>(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| format!("must be a whole number from {} to {}", range.start(), range.end()))
    }
}

/// A timeout in seconds, at most an hour.
pub(super) fn seconds() -> impl Fn(&str) -> Result<u64, String> + Clone + Send + Sync + 'static {
    whole_number(1..=3_600)
}

/// A number of requests per minute.
pub(super) fn rate_limit(text: &str) -> Result<NonZeroU32, String> {
    let number = whole_number::<u32>(1..=u32::MAX.into())(text);
    number
        .and_then(|number| NonZeroU32::new(number).ok_or_else(String::new))
        .map_err(|allowed| format!("{allowed}, or unset for no limit"))
}

/// A currency of ISO 4217.
pub(super) fn currency(text: &str) -> Result<Currency, String> {
    let known = iso_currency::Currency::from_code(&text.to_ascii_uppercase());
    known
        .and_then(|known| Currency::new(known.code()).ok())
        .ok_or_else(|| "must be the code of a currency of ISO 4217, such as EUR".to_owned())
}

/// An IP address. `localhost` is one without asking anybody.
pub(super) fn host(text: &str) -> Result<IpAddr, String> {
    match text.parse() {
        Err(_) if text.eq_ignore_ascii_case("localhost") => Ok(Ipv4Addr::LOCALHOST.into()),
        parsed => parsed.map_err(|_| "must be an IP address or localhost".to_owned()),
    }
}

/// An address with a port.
pub(super) fn socket_address(text: &str) -> Result<SocketAddr, String> {
    let named = || {
        let (name, port) = text.rsplit_once(':')?;
        Some(SocketAddr::new(host(name).ok()?, port.parse().ok()?))
    };
    text.parse()
        .ok()
        .or_else(named)
        .ok_or_else(|| "must be an address with a port, such as 127.0.0.1:9464".to_owned())
}
