//! Faults as text, for the command line and for `POST /_demo/faults`.
//!
//! ```text
//! [METHOD] [PATH] [page=N] [skip=N] [times=N] EFFECT
//! GET /v2/images/*/actions page=2 skip=1 times=3 status=500
//! status=503 retry-after=2
//! ```
//!
//! Without a method the fault applies to any method, without a path to any path. The words may be in any order. With the
//! feature `faults` there are more effects, some of which take the rest of the text:
//!
//! ```text
//! POST /v2/images/** times=1 reset-after
//! POST ** answer-after=202 this is the whole body
//! GET /v2/images set=/images/0/id "seven"
//! ```

use std::str::FromStr;

use crate::fault::{Condition, Effect, Fault};
#[cfg(feature = "faults")]
use crate::faults;

/// The effects of every build, as the error for an unknown word lists them.
const EFFECTS: &[(&str, &str)] = &[
    ("status=CODE", "this status with DigitalOcean's error; retry-after=SECONDS may follow"),
    ("retry-after=SECONDS", "429 with the header retry-after"),
    ("rate-limited", "429 without it"),
];

/// The names of the effects that need the feature `faults`.
#[cfg(any(test, not(feature = "faults")))]
const TEST_EFFECTS: &[&str] = &[
    "html",
    "body",
    "redirect",
    "hang",
    "reset",
    "reset-after",
    "status-after",
    "answer-after",
    "cut",
    "truncated",
    "drip",
    "without",
    "set",
    "twice",
    "per-page",
    "short",
    "rows-of-page",
    "delay",
    "add",
    "append",
    "remove",
    "remove-last",
    "remove-at",
];

const CONDITIONS: &str = "page=N, skip=N, times=N";

/// Why a text is not a fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// An unknown word.
    #[error("`{0}` is not a part of a fault; {form}", form = form())]
    UnknownWord(String),
    /// An effect that this build does not have.
    #[error(
        "`{0}` needs a build with the feature `faults`\n\
         hint: build with `cargo build --features faults`, or use `status=CODE`"
    )]
    NeedsFeature(String),
    /// A known word with a missing or invalid value.
    #[error("`{word}` needs {wanted}")]
    Value {
        /// The word as written.
        word: String,
        /// What its value has to be.
        wanted: &'static str,
    },
    /// A second effect.
    #[error("`{0}` is a second effect: write two faults")]
    TwoEffects(String),
    /// No effect.
    #[error("the fault has no effect; {}", form())]
    NoEffect,
}

/// The form of a fault, for an error.
fn form() -> String {
    let mut text = format!("a fault is [METHOD] [PATH] [{CONDITIONS}] and one of:");
    for (form, meaning) in known_effects() {
        text.push_str(&format!("\n  {form:<22} {meaning}"));
    }
    text
}

fn known_effects() -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    #[cfg(feature = "faults")]
    return EFFECTS.iter().chain(faults::EFFECTS);
    #[cfg(not(feature = "faults"))]
    EFFECTS.iter()
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let mut parser = FaultParser { when: Self::on("*", "**"), effect: None, retry_after: None };
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (word, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            rest = parser.word(Word::new(word), after.trim_start())?;
        }
        parser.finish()
    }
}

/// One word of the text, split at `=`.
#[derive(Clone, Copy)]
pub(crate) struct Word<'t> {
    pub(crate) text: &'t str,
    pub(crate) name: &'t str,
    pub(crate) value: Option<&'t str>,
}

impl<'t> Word<'t> {
    fn new(text: &'t str) -> Self {
        match text.split_once('=') {
            Some((name, value)) => Self { text, name, value: Some(value) },
            None => Self { text, name: text, value: None },
        }
    }

    pub(crate) fn number<N: FromStr>(self) -> Result<N, FaultError> {
        let number = self.value.and_then(|value| value.parse().ok());
        number.ok_or_else(|| self.needs("a whole number after `=`"))
    }

    pub(crate) fn code(self) -> Result<u16, FaultError> {
        let code: Option<u16> = self.value.and_then(|value| value.parse().ok());
        // Another status below 200 does not end a response in HTTP: the client would continue to wait.
        let code = code.filter(|code| *code == 101 || (200..=999).contains(code));
        code.ok_or_else(|| self.needs("101 or an HTTP status from 200 to 999 after `=`"))
    }

    /// The effect, if the word has no value.
    pub(crate) fn without_value<E>(self, effect: E) -> Result<E, FaultError> {
        match self.value {
            None => Ok(effect),
            Some(_) => Err(self.needs("no value")),
        }
    }

    pub(crate) fn needs(self, wanted: &'static str) -> FaultError {
        FaultError::Value { word: self.text.to_owned(), wanted }
    }
}

struct FaultParser {
    when: Condition,
    effect: Option<Effect>,
    /// A header of the status, or without one a 429 with this header.
    retry_after: Option<u64>,
}

impl FaultParser {
    /// Reads a word, and returns the text that is left.
    fn word<'t>(&mut self, word: Word<'t>, rest: &'t str) -> Result<&'t str, FaultError> {
        if self.route(word.text) {
            return Ok(rest);
        }
        match word.name {
            "page" => self.when.page = Some(word.number()?),
            "skip" => self.when.skip = word.number()?,
            "times" => self.when.times = Some(word.number()?),
            "retry-after" => self.retry_after = Some(word.number()?),
            "status" => self.set_effect(word, Effect::status(word.code()?))?,
            "rate-limited" => self.set_effect(word, word.without_value(Effect::status(429))?)?,
            _ => return self.test_effect(word, rest),
        }
        Ok(rest)
    }

    /// Whether the word is a path or a method.
    fn route(&mut self, word: &str) -> bool {
        let is_path = word.starts_with('/') || word.starts_with("*/") || word.starts_with("**");
        let is_method = !word.contains('=') && word.bytes().all(|byte| byte.is_ascii_uppercase());
        if is_path {
            self.when.path = word.to_owned();
        } else if word == "*" {
            self.when.method = None;
        } else if is_method {
            self.when.method = Some(word.to_owned());
        } else {
            return false;
        }
        true
    }

    #[cfg(feature = "faults")]
    fn test_effect<'t>(&mut self, word: Word<'t>, rest: &'t str) -> Result<&'t str, FaultError> {
        let (effect, rest) = faults::effect(word, rest)?;
        self.set_effect(word, effect.into())?;
        Ok(rest)
    }

    #[cfg(not(feature = "faults"))]
    fn test_effect<'t>(&self, word: Word<'t>, _rest: &'t str) -> Result<&'t str, FaultError> {
        Err(match TEST_EFFECTS.contains(&word.name) {
            true => FaultError::NeedsFeature(word.name.to_owned()),
            false => FaultError::UnknownWord(word.text.to_owned()),
        })
    }

    fn set_effect(&mut self, word: Word<'_>, effect: Effect) -> Result<(), FaultError> {
        if self.effect.is_some() {
            return Err(FaultError::TwoEffects(word.text.to_owned()));
        }
        self.effect = Some(effect);
        Ok(())
    }

    fn finish(self) -> Result<Fault, FaultError> {
        let effect = match (self.effect, self.retry_after) {
            (None, None) => return Err(FaultError::NoEffect),
            (Some(effect), None) => effect,
            (None, Some(seconds)) => with_retry_after(429, Vec::new(), seconds),
            (Some(Effect::Status { code, headers }), Some(seconds)) => with_retry_after(code, headers, seconds),
            #[cfg(feature = "faults")]
            (Some(Effect::Test(_)), Some(_)) => return Err(FaultError::TwoEffects("retry-after".to_owned())),
        };
        Ok(self.when.then(effect))
    }
}

fn with_retry_after(code: u16, mut headers: Vec<(String, String)>, seconds: u64) -> Effect {
    headers.push(("retry-after".to_owned(), seconds.to_string()));
    Effect::Status { code, headers }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> Fault {
        text.parse().unwrap()
    }

    fn error(text: &str) -> String {
        text.parse::<Fault>().unwrap_err().to_string()
    }

    fn status(text: &str) -> (u16, Vec<(String, String)>) {
        match fault(text).then {
            Effect::Status { code, headers } => (code, headers),
            #[cfg(feature = "faults")]
            Effect::Test(effect) => panic!("{text}: {effect:?}"),
        }
    }

    #[test]
    fn conditions_are_read() {
        let fault = fault("GET /v2/images/*/actions page=2 skip=1 times=3 status=500");

        let when = Fault::on("GET", "/v2/images/*/actions").page(2).skip(1).times(3);
        assert_eq!(fault.when, when);
        assert!(matches!(fault.then, Effect::Status { code: 500, .. }));
    }

    #[test]
    fn without_conditions_a_fault_applies_to_every_request() {
        assert_eq!(fault("status=500").when, Fault::on("*", "**"));
    }

    #[test]
    fn every_listed_effect_is_parsed() {
        for (form, _) in known_effects() {
            let text = form.replace("CODE", "500").replace("SECONDS", "2").replace("URL", "http://127.0.0.1:1");
            let text = text.replace("[=DURATION]", "=1s").replace("DURATION", "5s").replace("=N", "=3");
            let text = text.replace("INDEX", "4").replace("POINTER", "/actions/3/id");

            text.parse::<Fault>().unwrap_or_else(|error| panic!("{text}: {error}"));
        }
    }

    #[test]
    fn retry_after_is_a_429_or_a_header_of_the_status() {
        let header = || vec![("retry-after".to_owned(), "2".to_owned())];

        assert_eq!(status("retry-after=2"), (429, header()));
        assert_eq!(status("rate-limited retry-after=2"), (429, header()));
        assert_eq!(status("rate-limited"), (429, vec![]));
        assert_eq!(status("status=503 retry-after=2"), (503, header()));
    }

    #[test]
    fn an_unknown_word_is_named_with_the_known_effects() {
        let message = error("GET /v2/images hangs");

        assert!(message.contains("`hangs`") && message.contains("\n  status=CODE"), "{message}");
        assert_eq!(message.contains("\n  reset-after"), cfg!(feature = "faults"), "{message}");
    }

    #[test]
    fn an_invalid_value_is_named_with_what_it_has_to_be() {
        assert_eq!(error("page=one status=500"), "`page=one` needs a whole number after `=`");
        assert_eq!(error("rate-limited=1s"), "`rate-limited=1s` needs no value");
        assert!(error("status=99").contains("200 to 999"));
        assert!(error("status=500 status=502").contains("second effect"));
        assert!(error("GET /v2/images").contains("no effect"));
    }

    #[cfg(feature = "faults")]
    #[test]
    fn the_names_of_the_test_effects_are_those_of_the_listed_effects() {
        let listed: Vec<_> = faults::EFFECTS.iter().map(|(form, _)| form.split(['=', '[']).next().unwrap()).collect();

        assert_eq!(listed, TEST_EFFECTS);
    }

    #[cfg(not(feature = "faults"))]
    #[test]
    fn a_test_effect_says_that_it_needs_the_feature() {
        for name in TEST_EFFECTS {
            assert_eq!(format!("{name}=1").parse::<Fault>().unwrap_err(), FaultError::NeedsFeature((*name).to_owned()));
        }
        let message = error("GET /v2/images hang");
        assert_eq!(
            message,
            "`hang` needs a build with the feature `faults`\n\
             hint: build with `cargo build --features faults`, or use `status=CODE`"
        );
    }
}
