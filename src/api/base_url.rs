//! Validates the API's base URL, and whether a token may be sent to it.

use url::{Host, Url};

use super::{Fault, Options};

/// Rejects a URL that cannot be an API's base URL, or that the token must not be sent to.
pub(super) fn check_base_url(options: &Options) -> Result<(), Fault> {
    let url = &options.base_url;
    match url.scheme() {
        "https" => {}
        "http" if options.token.is_none() || is_loopback(url) => {}
        "http" => return Err(Fault::Insecure { host: url.authority().to_owned() }),
        _ => return Err(invalid(url, "is neither http nor https")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid(url, "has a user name or a password"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(invalid(url, "has a query or a fragment"));
    }
    Ok(())
}

fn invalid(url: &Url, problem: &'static str) -> Fault {
    let mut without_secrets = url.clone();
    let _ = without_secrets.set_username("").and_then(|()| without_secrets.set_password(None));
    Fault::BaseUrl { url: without_secrets.to_string(), problem }
}

/// Whether a URL's host is this machine. Only then may a token be sent over plain HTTP.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_urls_are_recognised() {
        for text in
            ["http://127.0.0.1", "http://127.9.9.9:1", "http://[::1]:1", "http://localhost:1", "http://LOCALHOST"]
        {
            assert!(is_loopback(&Url::parse(text).unwrap()), "{text}");
        }
        for text in ["http://10.0.0.1", "http://localhost.example", "http://[::2]", "http://127.0.0.1.example"] {
            assert!(!is_loopback(&Url::parse(text).unwrap()), "{text}");
        }
    }
}
