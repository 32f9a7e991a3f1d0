//! Which requests fail, and how. A [`Fault`] is a [`Condition`] and an [`Effect`]. On the command line it is text (see
//! `fault_text`), in tests `Fault::on("GET", "/v2/images/*/actions").page(2).times(1).then(Effect::status(500))`.
//!
//! All faults that match a request apply to it, in the order in which they were injected. Of the effects that decide how
//! the request ends only the first applies; the others count the request for `skip`, but not for `times`.
//!
//! A request that the token or the rate limits refuse meets no fault.

#[cfg(feature = "faults")]
use crate::faults::TestEffect;
use crate::response::ApiResponse;

/// A failure of the requests that match a condition.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The requests that fail.
    pub when: Condition,
    /// What happens to them.
    pub then: Effect,
}

/// Which requests a fault applies to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The method in capitals; `None` is any.
    pub method: Option<String>,
    /// The path: `*` matches any characters except `/`, `**` any characters.
    pub path: String,
    /// The requested page; a request without `page` requests page 1.
    pub page: Option<u32>,
    /// The number of matching requests before the first one that fails.
    pub skip: u32,
    /// The number of requests that fail, after which the fault is removed; `None` is unlimited.
    pub times: Option<u32>,
}

/// What happens to a request.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Another status with DigitalOcean's error for it; the request is not executed.
    Status {
        /// The status.
        code: u16,
        /// Headers besides those that every response has.
        headers: Vec<(String, String)>,
    },
    /// An effect for tests.
    #[cfg(feature = "faults")]
    Test(TestEffect),
}

#[cfg(feature = "faults")]
impl From<TestEffect> for Effect {
    fn from(effect: TestEffect) -> Self {
        Self::Test(effect)
    }
}

impl Fault {
    /// Requests with this method (`*` for any) and path (with `*` and `**`).
    pub fn on(method: &str, path: &str) -> Condition {
        Condition {
            method: (method != "*").then(|| method.to_ascii_uppercase()),
            path: path.to_owned(),
            page: None,
            skip: 0,
            times: None,
        }
    }
}

impl Condition {
    /// Only this page.
    pub fn page(self, page: u32) -> Self {
        Self { page: Some(page), ..self }
    }

    /// Not the first `requests` ones.
    pub fn skip(self, requests: u32) -> Self {
        Self { skip: requests, ..self }
    }

    /// At most `requests` ones.
    pub fn times(self, requests: u32) -> Self {
        Self { times: Some(requests), ..self }
    }

    /// A fault with this effect on the matching requests.
    pub fn then(self, effect: impl Into<Effect>) -> Fault {
        Fault { when: self, then: effect.into() }
    }

    fn matches(&self, method: &str, path: &str, page: Option<u32>) -> bool {
        self.method.as_deref().is_none_or(|own| own == method)
            && self.page.is_none_or(|own| own == page.unwrap_or(1))
            && glob(self.path.as_bytes(), path.as_bytes())
    }
}

impl Effect {
    /// A status such as 500, with DigitalOcean's error for it.
    pub fn status(code: u16) -> Self {
        Self::Status { code, headers: Vec::new() }
    }

    /// The response that is returned without executing the request.
    pub(crate) fn response(&self) -> Option<ApiResponse> {
        match self {
            Self::Status { code, headers } => {
                Some(ApiResponse { headers: headers.clone(), ..ApiResponse::refusal(*code) })
            }
            #[cfg(feature = "faults")]
            Self::Test(_) => None,
        }
    }

    /// Whether this decides how a request ends: of several such effects only the first applies.
    fn decides(&self) -> bool {
        match self {
            Self::Status { .. } => true,
            #[cfg(feature = "faults")]
            Self::Test(effect) => effect.decides(),
        }
    }
}

fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let Some((first, rest)) = pattern.split_first() else { return text.is_empty() };
    if *first != b'*' {
        return text.split_first().is_some_and(|(byte, after)| byte == first && glob(rest, after));
    }
    let (rest, across) = match rest.strip_prefix(b"*") {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    let reach = if across { None } else { text.iter().position(|byte| *byte == b'/') };
    (0..=reach.unwrap_or(text.len())).any(|taken| glob(rest, &text[taken..]))
}

/// The faults that are active.
#[derive(Debug, Default)]
pub(crate) struct ActiveFaults(Vec<ActiveFault>);

#[derive(Debug)]
struct ActiveFault {
    fault: Fault,
    /// The number of requests that matched.
    matched: u32,
    /// The number of requests that it applied to.
    applied: u32,
}

impl ActiveFault {
    fn is_over(&self) -> bool {
        self.fault.when.times.is_some_and(|times| self.applied >= times)
    }
}

impl ActiveFaults {
    pub(crate) fn inject(&mut self, fault: Fault) {
        self.0.push(ActiveFault { fault, matched: 0, applied: 0 });
    }

    #[cfg(feature = "faults")]
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The effects on this request, of which at most one decides how it ends; counts the request.
    pub(crate) fn effects_for(&mut self, method: &str, path: &str, page: Option<u32>) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut decided = false;
        for active in &mut self.0 {
            if !active.fault.when.matches(method, path, page) {
                continue;
            }
            active.matched = active.matched.saturating_add(1);
            let decides = active.fault.then.decides();
            if active.matched <= active.fault.when.skip || (decides && decided) || active.is_over() {
                continue;
            }
            active.applied = active.applied.saturating_add(1);
            decided |= decides;
            effects.push(active.fault.then.clone());
        }
        self.0.retain(|active| !active.is_over());
        effects
    }
}

#[cfg(test)]
mod tests {
    #[cfg(feature = "faults")]
    use std::time::Duration;

    use super::*;
    #[cfg(feature = "faults")]
    use crate::faults::Before;

    const ACTIONS: &str = "/v2/images/7/actions";

    fn codes(faults: &mut ActiveFaults, page: Option<u32>) -> Vec<u16> {
        let effects = faults.effects_for("GET", ACTIONS, page);
        effects
            .iter()
            .map(|effect| match effect {
                Effect::Status { code, .. } => *code,
                #[cfg(feature = "faults")]
                Effect::Test(_) => 0,
            })
            .collect()
    }

    fn faults(list: impl IntoIterator<Item = Fault>) -> ActiveFaults {
        let mut faults = ActiveFaults::default();
        list.into_iter().for_each(|fault| faults.inject(fault));
        faults
    }

    #[test]
    fn a_star_stays_within_a_segment_and_two_cross_them() {
        let matches = |pattern: &str, path: &str| glob(pattern.as_bytes(), path.as_bytes());

        assert!(matches("/v2/images/*/actions", ACTIONS));
        assert!(!matches("/v2/images/*", ACTIONS));
        assert!(matches("/v2/**", ACTIONS));
        assert!(matches("**", ACTIONS));
        assert!(!matches("/v2/images/*/actions", "/v2/images/7/actions/8"));
    }

    #[test]
    fn skip_and_times_count_matching_requests() {
        let when = Fault::on("GET", "/v2/images/*/actions").page(2).skip(1).times(2);
        let mut faults = faults([when.then(Effect::status(500))]);

        let hits: Vec<_> = (0..5).map(|_| codes(&mut faults, Some(2)).len()).collect();

        assert_eq!(hits, [0, 1, 1, 0, 0]);
    }

    #[test]
    fn a_request_without_a_page_is_for_page_1() {
        let mut faults = faults([Fault::on("*", "**").page(1).then(Effect::status(500))]);

        assert_eq!(codes(&mut faults, None), [500]);
        assert_eq!(codes(&mut faults, Some(2)), [0; 0]);
    }

    #[test]
    fn the_second_of_two_deciding_effects_keeps_its_times() {
        let any = || Fault::on("*", "**").times(1);
        let mut faults = faults([any().then(Effect::status(500)), any().then(Effect::status(502))]);

        assert_eq!(codes(&mut faults, None), [500]);
        assert_eq!(codes(&mut faults, None), [502]);
        assert!(codes(&mut faults, None).is_empty());
    }

    #[cfg(feature = "faults")]
    #[test]
    fn a_delay_leaves_the_end_to_the_next_fault() {
        let any = || Fault::on("*", "**");
        let delay = any().then(TestEffect::Before(Before::Delay(Duration::from_secs(1))));
        let mut faults = faults([delay, any().then(Effect::status(500))]);

        assert_eq!(codes(&mut faults, None), [0, 500]);
    }
}
