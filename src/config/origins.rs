//! The origins whose web pages may call the service.

use std::str::FromStr;

use url::Url;

/// Which web pages of other origins may call the service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AllowedOrigins {
    /// None.
    #[default]
    None,
    /// Those of any origin.
    Any,
    /// Those of these origins, each as a browser sends it in `Origin`.
    These(Vec<String>),
}

impl FromStr for AllowedOrigins {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let entries: Vec<_> = text
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .collect();
        match *entries.as_slice() {
            [] => Ok(Self::None),
            ["*"] => Ok(Self::Any),
            ref entries if entries.contains(&"*") => Err("must be a list of origins, or * alone".to_owned()),
            ref entries => entries
                .iter()
                .copied()
                .map(origin)
                .collect::<Result<_, _>>()
                .map(Self::These),
        }
    }
}

/// An origin as a browser sends it: the origin of a URL, and no other spelling of it, for what a browser sends is compared byte by byte.
fn origin(text: &str) -> Result<String, String> {
    let origin = Url::parse(text).map(|url| url.origin()).ok();
    let origin = origin
        .filter(url::Origin::is_tuple)
        .map(|origin| origin.ascii_serialization());
    match origin {
        // A URL's host may have a star, which would be taken for a pattern here.
        Some(_) if text.contains('*') => Err(format!("must list origins without patterns, and not {text}")),
        Some(origin) if origin == text => Ok(origin),
        // What is before an @ may be a password.
        _ if text.contains('@') => Err("must list origins such as https://shop.example, without a user".to_owned()),
        Some(origin) => Err(format!(
            "must list origins as browsers send them: {origin} and not {text}"
        )),
        None => Err(format!(
            "must list origins such as https://shop.example, and not {text}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<AllowedOrigins, String> {
        text.parse()
    }

    #[test]
    fn origins_are_a_list_or_a_star() {
        assert_eq!(read(""), Ok(AllowedOrigins::None));
        assert_eq!(read(" , "), Ok(AllowedOrigins::None));
        assert_eq!(read("*"), Ok(AllowedOrigins::Any));
        let listed = [
            "https://shop.example",
            "http://localhost:5173",
            "http://[::1]:8080",
            "https://xn--bcher-kva.example",
            "http://127.0.0.1",
        ];
        let these = AllowedOrigins::These(listed.map(str::to_owned).to_vec());
        assert_eq!(read(&listed.join(" , ")), Ok(these));
    }

    #[test]
    fn what_no_browser_sends_is_refused_and_named() {
        for (wrong, right) in [
            ("https://shop.example/", Some("https://shop.example")),
            ("https://shop.example/docs", Some("https://shop.example")),
            ("https://shop.example?a", Some("https://shop.example")),
            ("HTTPS://Shop.example", Some("https://shop.example")),
            ("https://shop.example:443", Some("https://shop.example")),
            ("http://shop.example:80", Some("http://shop.example")),
            ("https://b\u{fc}cher.example", Some("https://xn--bcher-kva.example")),
            ("http://127.1", Some("http://127.0.0.1")),
            ("shop.example", None),
            ("//shop.example", None),
            ("https://", None),
            ("https://shop.example:65536", None),
            ("https://*.shop.example", None),
            ("null", None),
            ("file:///shop.html", None),
        ] {
            let refusal = read(&format!("https://good.example,{wrong}")).unwrap_err();
            assert!(refusal.ends_with(&format!("not {wrong}")), "{refusal}");
            let proposed = right.is_none_or(|right| refusal.contains(&format!(": {right} and not")));
            assert!(proposed, "{wrong}: {refusal}");
        }
        assert_eq!(
            read("https://good.example,*"),
            Err("must be a list of origins, or * alone".to_owned())
        );
        let refusal = read("https://user:hunter2@shop.example").unwrap_err();
        assert!(!refusal.contains("hunter2"), "{refusal}");
    }
}
