//! How long a search with a regular expression takes.
//!
//! The crate `regex` searches for most patterns in one step for each byte of the text. For some it follows many states of the
//! pattern for each byte, as for `[0-7][0-9a-f]{1000}[g-z]` in hexadecimal digits: a minute for 16 MB. For some it reads the
//! rest of the text for each match, as for `.*[^A-Z]|[A-Z]`. The pattern does not show which, and no search can be interrupted.
//!
//! So if the longest possible time is too long, the search is tried on parts of the text first: its beginning and its end, short
//! parts before long ones. A part is twice as long as the one before, so a search that is too slow is found in a short part.

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::hint::black_box;
use std::rc::Rc;
use std::time::Duration;

use regex::Regex;
use regex_syntax::hir::{Hir, HirKind};

use super::check_query;
use super::work::MAX_STEPS;

/// The longest pattern, in bytes. The crate `regex` parses it into a tree that is a hundred times as large, and refuses most
/// that are longer: their states do not fit into 10 MiB.
pub(super) const MAX_PATTERN_BYTES: usize = 256 << 10;

/// What a search looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Matches {
    /// Whether there is one.
    Any,
    /// The first one, with its groups.
    FirstWithGroups,
    All,
    AllWithGroups,
}

/// A search for a pattern in a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search<'a> {
    pub(super) text: &'a str,
    pub(super) pattern: &'a str,
    /// The flags of a call of a function: `i`, `g`.
    pub(super) flags: &'a str,
    pub(super) matches: Matches,
}

impl Search<'_> {
    /// How long it takes, in steps. More than [`MAX_STEPS`] if it is too slow.
    pub(super) fn steps(&self) -> u64 {
        let at_worst = self.steps_at_worst();
        if at_worst <= MAX_STEPS {
            return at_worst;
        }
        self.steps_of_parts().unwrap_or(at_worst)
    }

    /// The steps of a search that follows all states for each byte, and reads the rest of the text for each match.
    fn steps_at_worst(&self) -> u64 {
        let bytes = self.text.len() as u64;
        let once = bytes.saturating_mul(compiled(self.pattern, self.flags).states);
        let may_repeat = self.pattern.contains(['*', '+', '{', '?']);
        match self.matches {
            Matches::All | Matches::AllWithGroups if may_repeat => once.saturating_mul(bytes),
            _ => once,
        }
    }

    /// Tries the search on parts of the text. `None` if one takes too long, or if the query has ended.
    fn steps_of_parts(&self) -> Option<u64> {
        /// The length of the shortest part, in bytes.
        const SHORTEST: usize = 4 << 10;
        /// The maximum CPU time for a part: other work of the machine does not count. The whole text takes at most four times
        /// as long as its half.
        const MAX_TIME: Duration = Duration::from_millis(250);

        let compiled = compiled(self.pattern, self.flags);
        // An invalid pattern is an error of the function itself.
        let Some(regex) = compiled.regex() else { return Some(0) };
        let halvings = (self.text.len() / SHORTEST).checked_ilog2().unwrap_or(0);
        let mut slowest = Duration::ZERO;
        for halving in (1..=halvings).rev() {
            let bytes = self.text.len() >> halving;
            let beginning = &self.text[..self.text.floor_char_boundary(bytes)];
            let end = &self.text[self.text.ceil_char_boundary(self.text.len() - bytes)..];
            for part in [beginning, end] {
                check_query().ok()?;
                let began = thread_time();
                self.search(regex, part);
                slowest = slowest.max(thread_time().saturating_sub(began));
                if slowest > MAX_TIME {
                    return None;
                }
            }
        }
        Some(u64::try_from(slowest.as_nanos()).map_or(MAX_STEPS, |steps| steps.min(MAX_STEPS)))
    }

    fn search(&self, regex: &Regex, text: &str) {
        match self.matches {
            Matches::Any => _ = black_box(regex.is_match(text)),
            Matches::FirstWithGroups => _ = black_box(regex.captures(text)),
            Matches::All => _ = black_box(regex.find_iter(text).count()),
            Matches::AllWithGroups => _ = black_box(regex.captures_iter(text).count()),
        }
    }
}

/// How long this thread has computed.
#[cfg(unix)]
fn thread_time() -> Duration {
    use rustix::time::{ClockId, clock_gettime};

    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// Where the system's clock of a thread is not used, the time of the clock on the wall.
#[cfg(not(unix))]
fn thread_time() -> Duration {
    static BEGAN: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    BEGAN.elapsed()
}

/// The number of matches of a pattern. `None` if the pattern is invalid, or if counting takes too long.
pub(super) fn count_matches(text: &str, pattern: &str, flags: &str) -> Option<u64> {
    let search = Search { text, pattern, flags, matches: Matches::All };
    if pattern.len() > MAX_PATTERN_BYTES || search.steps() > MAX_STEPS {
        return None;
    }
    let compiled = compiled(pattern, flags);
    Some(compiled.regex()?.find_iter(text).count() as u64)
}

/// What is known of a pattern.
struct Compiled {
    pattern: String,
    /// The number of its states, about. 0 if it is invalid.
    states: u64,
    regex: OnceCell<Option<Regex>>,
}

impl Compiled {
    fn new(pattern: String) -> Self {
        let states = regex_syntax::parse(&pattern).map_or(0, |parsed| states_of(&parsed));
        Self { pattern, states, regex: OnceCell::new() }
    }

    fn regex(&self) -> Option<&Regex> {
        self.regex.get_or_init(|| Regex::new(&self.pattern).ok()).as_ref()
    }
}

/// The number of states of a pattern, about.
pub(super) fn states(pattern: &str) -> u64 {
    compiled(pattern, "").states
}

fn compiled(pattern: &str, flags: &str) -> Rc<Compiled> {
    thread_local! {
        /// The last pattern: nearly always the pattern of the next row.
        static LAST: RefCell<Rc<Compiled>> = RefCell::new(Rc::new(Compiled::new(String::new())));
    }
    let pattern = with_flags(pattern, flags);
    LAST.with_borrow_mut(|last| {
        if last.pattern != pattern {
            *last = Rc::new(Compiled::new(pattern.into_owned()));
        }
        Rc::clone(last)
    })
}

/// The pattern with the flags of a call of `regexp_replace`, and without `g`, which is not a flag of a pattern.
fn with_flags<'a>(pattern: &'a str, flags: &str) -> Cow<'a, str> {
    match flags.replace('g', "") {
        flags if flags.is_empty() => Cow::Borrowed(pattern),
        flags => Cow::Owned(format!("(?{flags}){pattern}")),
    }
}

/// A class is one state, although it is compiled into several: a byte leads to few of these at once.
fn states_of(parsed: &Hir) -> u64 {
    match parsed.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(_) => 1,
        HirKind::Literal(literal) => literal.0.len() as u64,
        HirKind::Capture(capture) => states_of(&capture.sub),
        HirKind::Repetition(repetition) => {
            let copies = repetition.max.unwrap_or(repetition.min).max(1);
            states_of(&repetition.sub).saturating_mul(copies.into())
        }
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(states_of).fold(0, u64::saturating_add)
        }
    }
}

/// The regular expression that Arrow makes of a pattern of LIKE.
pub(super) fn regex_of_like(pattern: &str) -> String {
    let mut regex = String::from(if pattern.starts_with('%') { "" } else { "^" });
    let mut characters = pattern.strip_prefix('%').unwrap_or(pattern).chars();
    while let Some(character) = characters.next() {
        match character {
            '%' => regex.push_str(".*"),
            '_' => regex.push('.'),
            '\\' => push_escaped(&mut regex, characters.next().unwrap_or('\\')),
            other => push_escaped(&mut regex, other),
        }
    }
    match regex.strip_suffix(".*") {
        Some(open) => format!("(?s){open}"),
        None => format!("(?s){regex}$"),
    }
}

fn push_escaped(regex: &mut String, character: char) {
    if regex_syntax::is_meta_character(character) {
        regex.push('\\');
    }
    regex.push(character);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(text: &str, pattern: &str, matches: Matches) -> u64 {
        Search { text, pattern, flags: "", matches }.steps()
    }

    #[test]
    fn a_repetition_has_a_state_for_each_copy() {
        for (pattern, expected) in [
            ("abc", 3),
            ("a|bc", 3),
            ("[0-9a-f]{1000}[g-z]", 1_001),
            ("(a{1,30}){1,30}", 900),
            ("a{5,}b*c+", 7),
            (r"\w\b", 2),
            ("", 1),
            ("(", 0),
        ] {
            assert_eq!(compiled(pattern, "").states, expected, "{pattern}");
        }
        assert_eq!(compiled("a b", "x").states, 2, "the flag x ignores blanks");
    }

    #[test]
    fn a_search_that_is_fast_is_allowed_in_a_long_text() {
        let text = "0123456789abcdef".repeat(50_000);

        assert!(steps(&text, "x[0-9a-f]{1000}[g-z]", Matches::Any) <= MAX_STEPS);
        assert!(steps(&text, "[a-f]+", Matches::All) <= MAX_STEPS);
        assert_eq!(count_matches(&text, "[a-f]+", ""), Some(50_000));
        assert_eq!(count_matches("äbä", "", ""), Some(4), "an empty match before each character, and at the end");
        assert_eq!(steps(&text, "(", Matches::All), 0, "the function reports the invalid pattern");
    }

    #[test]
    fn a_search_that_is_slow_is_refused() {
        let mut number = 1_u64;
        let digits = std::iter::repeat_with(|| {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            format!("{:016x}", number ^ (number >> 29))
        });
        let digits: String = digits.take(100_000).collect();

        assert!(steps(&digits, "[0-7][0-9a-f]{1000}[g-z]", Matches::Any) > MAX_STEPS);
        assert!(steps(&"a".repeat(1 << 20), ".*[^a-z]|[a-z]", Matches::All) > MAX_STEPS);
        assert_eq!(count_matches(&"a".repeat(1 << 20), ".*[^a-z]|[a-z]", ""), None);
    }

    #[test]
    fn a_pattern_of_like_becomes_the_regular_expression_of_arrow() {
        for (pattern, expected) in [
            ("a%b_", "(?s)^a.*b.$"),
            ("%a_b%", "(?s)a.b"),
            (r"10\%", "(?s)^10%$"),
            (r"a\", r"(?s)^a\\$"),
            ("x.y", r"(?s)^x\.y$"),
        ] {
            assert_eq!(regex_of_like(pattern), expected, "{pattern}");
        }
    }
}
