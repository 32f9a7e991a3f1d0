//! Shares a rate-limit budget between all clients of the same API and token.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, Weak};

use url::Url;

use super::rate_limit::{self, Limiter};
use crate::secret::Secret;

/// The budgets of a process, one for each base URL and token. [`super::Client::try_new`] takes its budget from here, so
/// two accounts with one token together stay within the token's limit.
///
/// A budget is dropped with the last client or request that uses it. Clients of one token may have different limits:
/// the strictest value of each setting then applies to all of them.
#[derive(Debug, Default)]
pub struct Budgets {
    /// Keyed by the hash of a base URL and a token, so no copy of the token is kept. Two tokens with the same hash
    /// would share a budget, and only wait longer than necessary.
    limiters: Mutex<HashMap<u64, Weak<Limiter>>>,
    /// Randomly seeded in each process.
    hasher: RandomState,
}

impl Budgets {
    /// Returns the budget of this token, with limits at least as strict as `options`.
    pub(super) fn limiter(&self, base_url: &Url, token: &Secret, options: &rate_limit::Options) -> Arc<Limiter> {
        // `https://a.b/c/` is the same API as `https://a.b/c`.
        let key = self.hasher.hash_one((base_url.as_str().trim_end_matches('/'), token.expose()));
        let mut limiters = self.limiters.lock().expect("nothing panics while it is held");
        limiters.retain(|_, limiter| limiter.strong_count() > 0);
        if let Some(limiter) = limiters.get(&key).and_then(Weak::upgrade) {
            limiter.tighten(options);
            return limiter;
        }
        let limiter = Limiter::new(options.clone());
        limiters.insert(key, Arc::downgrade(&limiter));
        limiter
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::future::join_all;
    use tokio::time::Instant;

    use super::*;
    use crate::api::client::layers;
    use crate::api::rate_limit::RateLimitHeaders;
    use crate::api::scope::a_scope;
    use crate::api::test_double::{Double, Step, get};
    use crate::api::{Client, Options};

    const SECOND: Duration = Duration::from_secs(1);

    /// A client of this URL and token over a test double, limited to `per_minute` requests a minute.
    fn client(budgets: &Budgets, double: &Arc<Double>, url: &str, token: &str, per_minute: usize) -> Client {
        let mut options = Options::new(url.parse().unwrap(), None);
        options.limit.per_minute = per_minute;
        let limiter = budgets.limiter(&options.base_url, &Secret::new(token), &options.limit);
        Client::over(layers(Arc::clone(double), limiter, &options))
    }

    /// Sends three requests from each client at once. Returns the number of requests sent in the first minute.
    async fn sent_in_a_minute(double: &Double, clients: &[&Client]) -> usize {
        let (request, scope, begin) = (get(), a_scope(), Instant::now());
        let gets = clients.iter().flat_map(|client| [0; 3].map(|_| client.get(&request, &scope)));
        for result in join_all(gets).await {
            result.unwrap();
        }
        double.begins().iter().filter(|sent| **sent < begin + 60 * SECOND).count()
    }

    #[tokio::test(start_paused = true)]
    async fn two_clients_with_one_token_share_its_budget_and_two_tokens_have_two() {
        for (second, url, sent) in [
            ("one", "https://a.b/c/", 3),
            ("one", "https://a.b/c", 3),
            ("other", "https://a.b/c", 6),
            ("one", "https://a.b", 6),
        ] {
            let (budgets, double) = (Budgets::default(), Double::always(Step::body));
            let first = client(&budgets, &double, "https://a.b/c", "one", 3);
            let second = client(&budgets, &double, url, second, 3);

            assert_eq!(sent_in_a_minute(&double, &[&first, &second]).await, sent, "{url}");
            assert_eq!(double.attempts().len(), 6, "the others follow a minute later");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn clients_of_two_registries_share_nothing() {
        let double = Double::always(Step::body);
        let first = client(&Budgets::default(), &double, "https://a.b", "one", 3);
        let second = client(&Budgets::default(), &double, "https://a.b", "one", 3);

        assert_eq!(sent_in_a_minute(&double, &[&first, &second]).await, 6);
    }

    #[tokio::test(start_paused = true)]
    async fn the_lower_of_two_limits_applies_to_both_clients() {
        for (first, second) in [(3, 100), (100, 3)] {
            let (budgets, double) = (Budgets::default(), Double::always(Step::body));
            let first = client(&budgets, &double, "https://a.b", "one", first);
            let second = client(&budgets, &double, "https://a.b", "one", second);

            assert_eq!(sent_in_a_minute(&double, &[&first, &second]).await, 3);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_429_pauses_all_clients_of_the_token() {
        let pause = RateLimitHeaders { pause: Some(20 * SECOND), ..RateLimitHeaders::default() };
        let budgets = Budgets::default();
        let limited = Double::in_turn([Step::status(429).with_headers(pause), Step::body()]);
        let free = Double::always(Step::body);
        let first = client(&budgets, &limited, "https://a.b", "one", 250);
        let second = client(&budgets, &free, "https://a.b", "one", 250);
        let other = client(&budgets, &free, "https://a.b", "other", 250);
        let (request, scope, begin) = (get(), a_scope(), Instant::now());

        let of_one_token = async { tokio::join!(first.get(&request, &scope), second.get(&request, &scope)) };
        let ((first, second), other) = tokio::join!(of_one_token, other.get(&request, &scope));
        first.and(second).and(other).unwrap();

        let begins: Vec<u64> = free.begins().iter().map(|sent| (*sent - begin).as_secs()).collect();
        assert_eq!(begins, [0, 20]);
    }

    #[test]
    fn a_budget_is_dropped_with_its_last_client_and_keeps_no_token() {
        let budgets = Budgets::default();
        let limiter = |token: &str| {
            let options = rate_limit::Options::default();
            budgets.limiter(&"https://a.b".parse().unwrap(), &Secret::new(token), &options)
        };
        let (first, again) = (limiter("dop_v1_hidden"), limiter("dop_v1_hidden"));
        assert!(Arc::ptr_eq(&first, &again));
        assert!(!format!("{budgets:?}").contains("hidden"));

        drop((first, again));
        let other = limiter("other");

        assert_eq!(budgets.limiters.lock().unwrap().len(), 1);
        drop(other);
    }
}
