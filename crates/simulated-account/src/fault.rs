//! What goes wrong, and when. A [`Fault`] is a condition ([`When`]) and an
//! [`Effect`]; people write it as text (see `fault_text`), tests as
//! `Fault::on("GET", "/v2/images/*/actions").page(2).times(1).then(Effect::Hang)`.
//!
//! All faults that match a request take part in it, in the order in which they
//! were injected. Of those that decide how the request ends only the first does;
//! the others keep what they have in `times`, though their `skip` counts on.
//!
//! A request that the token or the limits refuse meets no fault.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Semaphore;

use super::rows::Change;

/// Something that goes wrong with the requests that it matches.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Which requests.
    pub when: When,
    /// What happens to them.
    pub then: Effect,
}

/// Which requests a fault is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct When {
    /// The method in capitals; `None` is any.
    pub method: Option<String>,
    /// The path: `*` is any run of characters but `/`, `**` any run at all.
    pub path: String,
    /// The page asked for; a request that names none asks for page 1.
    pub page: Option<u32>,
    /// So many matching requests pass unharmed first.
    pub skip: u32,
    /// So many are hit, then the fault is over; `None` is for good.
    pub times: Option<u32>,
}

/// What happens to a request.
#[derive(Debug, Clone)]
pub enum Effect {
    /// An error, or any other status, instead of the answer.
    Status {
        /// The status.
        code: u16,
        /// The body; `None` has DigitalOcean's words for the code.
        body: Option<Value>,
        /// Further headers.
        headers: Vec<(String, String)>,
    },
    /// 429, with or without saying how many seconds to wait.
    RateLimited {
        /// Seconds.
        retry_after: Option<u64>,
    },
    /// A gateway's page with this status, which may be 200.
    Html {
        /// The status.
        status: u16,
    },
    /// 200 and this text as JSON, whatever it is.
    Body(String),
    /// 302 to this URL.
    Redirect(String),
    /// No answer, ever; the connection stays.
    Hang,
    /// The connection is dropped before the request is carried out.
    Reset,
    /// The request is carried out, then the connection is dropped without an answer.
    ResetAfter,
    /// The request is carried out, then this error is answered.
    StatusAfter(u16),
    /// The request is carried out, then this is answered.
    AnswerAfter {
        /// The status, which may be a success or a redirect.
        code: u16,
        /// The body, as it is: JSON or not, a page where it starts with `<`, or none.
        body: String,
        /// Further headers.
        headers: Vec<(String, String)>,
    },
    /// The answer breaks off half-way, short of its `content-length`.
    CutBody,
    /// The answer is whole for HTTP, but its JSON ends half-way.
    Truncated,
    /// The answer comes byte by byte and never ends.
    Drip {
        /// From byte to byte.
        every: Duration,
    },
    /// The answer lacks this top-level field, or what this JSON pointer names, in which `*` is every place of a list.
    Without(String),
    /// The answer has another value here.
    Set {
        /// A JSON pointer, such as `/actions/3/id`; `*` is every place of a list.
        pointer: String,
        /// What stands there instead.
        value: Value,
    },
    /// The answer has this key twice: as it is, and after that with another value.
    Twice {
        /// A JSON pointer to the key, such as `/actions` or `/actions/3/id`.
        pointer: String,
        /// The second value.
        value: Value,
    },
    /// The server gives at most so many rows a page, whatever `per_page` says.
    PerPage(u64),
    /// Of a page's rows only the first so many are there; its links and its total are not touched.
    Short(usize),
    /// The rows are those of this page, whichever is asked for; the links and the total are those of the page asked for.
    RowsOfPage(u64),
    /// The request is carried out so much later.
    Delay(Duration),
    /// The request waits for a permit, and takes it: tests need no sleeps.
    Hold(Arc<Semaphore>),
    /// Before it is answered, the list being asked gains or loses rows.
    Rows(Change),
}

impl Fault {
    /// Requests of this method (`*` for any) and path (with `*` and `**`).
    pub fn on(method: &str, path: &str) -> When {
        When {
            method: (method != "*").then(|| method.to_ascii_uppercase()),
            path: path.to_owned(),
            page: None,
            skip: 0,
            times: None,
        }
    }
}

impl When {
    /// Only this page.
    pub fn page(self, page: u32) -> Self {
        Self { page: Some(page), ..self }
    }

    /// Not the first so many.
    pub fn skip(self, requests: u32) -> Self {
        Self { skip: requests, ..self }
    }

    /// No more than so many.
    pub fn times(self, requests: u32) -> Self {
        Self { times: Some(requests), ..self }
    }

    /// What happens to them.
    pub fn then(self, effect: Effect) -> Fault {
        Fault { when: self, then: effect }
    }

    fn matches(&self, method: &str, path: &str, page: Option<u32>) -> bool {
        self.method.as_deref().is_none_or(|own| own == method)
            && self.page.is_none_or(|own| own == page.unwrap_or(1))
            && glob(self.path.as_bytes(), path.as_bytes())
    }
}

impl Effect {
    /// 500 and the like, with DigitalOcean's words.
    pub fn status(code: u16) -> Self {
        Self::Status { code, body: None, headers: Vec::new() }
    }

    /// This status and this body, in place of the answer to what was carried out.
    pub fn answer_after(code: u16, body: &str) -> Self {
        Self::AnswerAfter { code, body: body.to_owned(), headers: Vec::new() }
    }

    /// Whether this settles how a request ends; the others leave that to the next.
    fn decides(&self) -> bool {
        match self {
            Self::Status { .. }
            | Self::RateLimited { .. }
            | Self::Html { .. }
            | Self::Body(_)
            | Self::Redirect(_)
            | Self::Hang
            | Self::Reset
            | Self::ResetAfter
            | Self::StatusAfter(_)
            | Self::AnswerAfter { .. }
            | Self::CutBody
            | Self::Truncated
            | Self::Drip { .. } => true,
            Self::Without(_)
            | Self::Set { .. }
            | Self::Twice { .. }
            | Self::PerPage(_)
            | Self::Short(_)
            | Self::RowsOfPage(_)
            | Self::Delay(_)
            | Self::Hold(_)
            | Self::Rows(_) => false,
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

/// The faults in force.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Armed>);

#[derive(Debug)]
struct Armed {
    fault: Fault,
    seen: u32,
    hit: u32,
}

impl Armed {
    fn is_over(&self) -> bool {
        self.fault.when.times.is_some_and(|times| self.hit >= times)
    }
}

impl Faults {
    pub(super) fn inject(&mut self, fault: Fault) {
        self.0.push(Armed { fault, seen: 0, hit: 0 });
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// What happens to this request: at most one effect that decides, with others.
    pub(super) fn strike(&mut self, method: &str, path: &str, page: Option<u32>) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut decided = false;
        for armed in &mut self.0 {
            if !armed.fault.when.matches(method, path, page) {
                continue;
            }
            armed.seen = armed.seen.saturating_add(1);
            let decides = armed.fault.then.decides();
            if armed.seen <= armed.fault.when.skip || (decides && decided) || armed.is_over() {
                continue;
            }
            armed.hit = armed.hit.saturating_add(1);
            decided |= decides;
            effects.push(armed.fault.then.clone());
        }
        self.0.retain(|armed| !armed.is_over());
        effects
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACTIONS: &str = "/v2/images/7/actions";

    fn codes(faults: &mut Faults, page: Option<u32>) -> Vec<u16> {
        let effects = faults.strike("GET", ACTIONS, page);
        effects
            .iter()
            .map(|effect| match effect {
                Effect::Status { code, .. } => *code,
                _ => 0,
            })
            .collect()
    }

    fn faults(list: impl IntoIterator<Item = Fault>) -> Faults {
        let mut faults = Faults::default();
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
    fn the_second_of_two_endings_waits_for_its_turn() {
        let any = || Fault::on("*", "**").times(1);
        let mut faults = faults([any().then(Effect::status(500)), any().then(Effect::status(502))]);

        assert_eq!(codes(&mut faults, None), [500]);
        assert_eq!(codes(&mut faults, None), [502]);
        assert!(codes(&mut faults, None).is_empty());
    }

    #[test]
    fn a_delay_leaves_the_ending_to_the_next() {
        let any = || Fault::on("*", "**");
        let delay = any().then(Effect::Delay(Duration::from_secs(1)));
        let mut faults = faults([delay, any().then(Effect::status(500))]);

        assert_eq!(codes(&mut faults, None), [0, 500]);
    }
}
