//! How long a search with a regular expression takes.
//!
//! The crate `regex` usually searches with a lazy DFA: one step for each byte of the text, whatever the pattern. For some
//! patterns nearly each byte leads to a new state of the DFA: `[0-7][0-9a-f]{1000}[g-z]` in hexadecimal digits. Then it gives
//! up, and follows all states of the pattern for each byte: a minute for 16 MB. No search can be interrupted.
//!
//! Which of both it will be cannot be seen in the pattern. So where the second would be too slow, the text is searched here
//! first, with a DFA that gives up in the same way, and with a time limit where all matches are searched.

use std::borrow::Cow;
use std::cell::RefCell;
use std::time::{Duration, Instant};

use regex_automata::Input;
use regex_automata::hybrid::dfa::DFA;
use regex_automata::nfa::thompson;
use regex_automata::util::iter::Searcher;
use regex_syntax::hir::{Hir, HirKind};

use super::check_query;
use super::work::MAX_STEPS;

/// The longest regular expression, in bytes. The crate `regex` parses it into a tree that is a hundred times as large, and
/// refuses most that are longer: their states do not fit into 10 MiB.
pub(super) const MAX_PATTERN_BYTES: usize = 256 << 10;

/// The steps of the search for the first match.
pub(super) fn steps_to_first(text: &str, pattern: &str, flags: &str) -> u64 {
    let at_worst = steps_with_all_states(text, pattern, flags);
    if at_worst <= MAX_STEPS {
        return at_worst;
    }
    let limits = Limits { matches: 1, time: Duration::MAX };
    search(text, pattern, flags, limits).map_or(at_worst, |found| found.steps)
}

/// The steps of the search for all matches. It may read the rest of the text for each match, as `.*[^A-Z]|[A-Z]` does.
pub(super) fn steps_to_all(text: &str, pattern: &str, flags: &str) -> u64 {
    let once = steps_with_all_states(text, pattern, flags);
    let may_repeat = pattern.contains(['*', '+', '{', '?']);
    let at_worst = if may_repeat { once.saturating_mul(text.len() as u64) } else { once };
    if at_worst <= MAX_STEPS {
        return at_worst;
    }
    search(text, pattern, flags, ALL).map_or(at_worst, |found| found.steps)
}

/// The steps of a search that follows all states of the pattern for each byte.
pub(super) fn steps_with_all_states(text: &str, pattern: &str, flags: &str) -> u64 {
    (text.len() as u64).saturating_mul(states(pattern, flags))
}

/// The number of matches of a pattern. `None` if the pattern is invalid, or if counting takes too long.
pub(super) fn count_matches(text: &str, pattern: &str, flags: &str) -> Option<u64> {
    search(text, pattern, flags, ALL).map(|found| found.matches)
}

/// When a search ends, if it does not fail.
struct Limits {
    matches: u64,
    time: Duration,
}

const ALL: Limits = Limits { matches: u64::MAX, time: Duration::from_secs(1) };

struct Found {
    matches: u64,
    /// The time that it took, in steps.
    steps: u64,
}

/// Searches with a DFA. `None` if the DFA gives up, or does not exist, or if the time is over.
fn search(text: &str, pattern: &str, flags: &str, limits: Limits) -> Option<Found> {
    if check_query().is_err() {
        return None;
    }
    let began = Instant::now();
    let dfa = dfa(&with_flags(pattern, flags), states(pattern, flags))?;
    let (mut cache, mut searcher, mut matches) = (dfa.create_cache(), Searcher::new(Input::new(text)), 0);
    while searcher.try_advance_half(|input| dfa.try_search_fwd(&mut cache, input)).ok()?.is_some() {
        matches += 1;
        if matches >= limits.matches {
            break;
        }
        if began.elapsed() > limits.time {
            return None;
        }
    }
    Some(Found { matches, steps: u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX) })
}

/// A DFA that gives up if it needs a new state, which costs a step for each state of the pattern, for each few bytes of the
/// text: once its cache has been full, it must have searched `states` bytes for each new state.
fn dfa(pattern: &str, states: u64) -> Option<DFA> {
    /// The crate `regex` refuses patterns with more.
    const MAX_NFA_BYTES: usize = 10 << 20;
    const MIN_CLEARS: usize = 1;
    let config = DFA::config()
        .unicode_word_boundary(true)
        .skip_cache_capacity_check(true)
        .minimum_cache_clear_count(Some(MIN_CLEARS))
        .minimum_bytes_per_state(Some(usize::try_from(states).ok()?.max(10)));
    let compiled = thompson::Config::new().nfa_size_limit(Some(MAX_NFA_BYTES));
    DFA::builder().configure(config).thompson(compiled).build(pattern).ok()
}

/// The pattern with the flags of a call of `regexp_replace`, and without `g`, which is not a flag of a pattern.
fn with_flags<'a>(pattern: &'a str, flags: &str) -> Cow<'a, str> {
    match flags.replace('g', "") {
        flags if flags.is_empty() => Cow::Borrowed(pattern),
        flags => Cow::Owned(format!("(?{flags}){pattern}")),
    }
}

/// The number of states of a pattern, about. 0 if it is invalid.
fn states(pattern: &str, flags: &str) -> u64 {
    thread_local! {
        /// The last pattern: nearly always the pattern of the next row.
        static LAST: RefCell<(String, u64)> = const { RefCell::new((String::new(), 0)) };
    }
    if pattern.len() > MAX_PATTERN_BYTES {
        return 0;
    }
    let pattern = with_flags(pattern, flags);
    LAST.with_borrow_mut(|(last, states)| {
        if *last != pattern {
            *states = regex_syntax::parse(&pattern).map_or(0, |parsed| states_of(&parsed));
            *last = pattern.into_owned();
        }
        *states
    })
}

/// A class is one state, although it is compiled into many: a byte leads to few of these at once.
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

/// The regular expression of a pattern of LIKE, as Arrow translates it.
pub(super) fn regex_of_like(pattern: &str) -> String {
    let mut regex = String::from("(?s)^");
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        match character {
            '%' => regex.push_str(".*"),
            '_' => regex.push('.'),
            '\\' => regex.push_str(&regex_syntax::escape(characters.next().unwrap_or('\\').encode_utf8(&mut [0; 4]))),
            other => regex.push_str(&regex_syntax::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    regex.push('$');
    regex
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(states(pattern, ""), expected, "{pattern}");
        }
        assert_eq!(states("a b", "x"), 2, "the flag x ignores blanks");
    }

    #[test]
    fn a_pattern_whose_dfa_has_few_states_needs_no_more_steps_than_a_long_text_has_bytes() {
        let text = "0123456789abcdef".repeat(50_000);

        assert!(steps_to_first(&text, "x[0-9a-f]{1000}[g-z]", "") < MAX_STEPS);
        assert!(steps_to_all(&text, "[a-f]+", "") < MAX_STEPS);
        assert_eq!(count_matches(&text, "[a-f]+", ""), Some(50_000));
        assert_eq!(count_matches("äbä", "", ""), Some(4), "an empty match before each character, and at the end");
    }

    #[test]
    fn a_pattern_whose_dfa_has_a_state_for_each_byte_needs_all_its_states_for_each() {
        let mut number = 1_u64;
        let digits = std::iter::repeat_with(|| {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            format!("{:016x}", number ^ (number >> 29))
        });
        let text: String = digits.take(50_000).collect();
        let pattern = "[0-7][0-9a-f]{1000}[g-z]";

        assert_eq!(steps_to_first(&text, pattern, ""), 800_000 * 1_002);
        assert_eq!(count_matches(&text, pattern, ""), None);
    }

    #[test]
    fn a_pattern_of_like_becomes_the_regular_expression_with_the_same_matches() {
        for (pattern, expected) in
            [("a%b_", "(?s)^a.*b.$"), (r"10\%", "(?s)^10%$"), (r"a\", r"(?s)^a\\$"), ("x.y", r"(?s)^x\.y$")]
        {
            assert_eq!(regex_of_like(pattern), expected, "{pattern}");
        }
    }
}
