//! Faults as people write them, on the command line and to `POST /_demo/faults`.
//!
//! ```text
//! [METHOD] [PATH] [page=N] [skip=N] [times=N] EFFECT
//! GET /v2/images/*/actions page=2 skip=1 times=3 status=500
//! POST /v2/images/** times=1 reset-after
//! POST ** answer-after=202 this is the whole body
//! status=503 retry-after=2
//! GET /v2/images set=/images/0/id "seven"
//! ```
//!
//! Without a method any method is meant, without a path any path. `body`, `set` and `twice`
//! take the rest of the text; everything else may stand in any order.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde_json::Value;

use super::fault::{Effect, Fault, When};
use super::rows::Change;

/// The effects, as the error for an unknown word lists them.
const EFFECTS: &[(&str, &str)] = &[
    ("status=CODE", "an error with DigitalOcean's body; retry-after=SECONDS may follow"),
    ("retry-after=SECONDS", "429 that says how long to wait"),
    ("rate-limited", "429 that does not"),
    ("html=CODE", "a gateway's page"),
    ("body=TEXT", "200 and the rest of the text as its JSON"),
    ("redirect=URL", "302"),
    ("hang", "no answer, ever"),
    ("reset", "the connection is dropped before the request is carried out"),
    ("reset-after", "the connection is dropped after it is carried out"),
    ("status-after=CODE", "carried out, then an error"),
    ("answer-after=CODE TEXT", "carried out, then this status, and the rest of the text, perhaps none, as its body"),
    ("cut", "the connection ends half-way through the body"),
    ("truncated", "the JSON ends half-way"),
    ("drip[=DURATION]", "byte by byte, and no end"),
    ("without=FIELD", "a field, or a JSON pointer, is taken out of the answer; /actions/*/id for all rows"),
    ("set=POINTER VALUE", "the rest of the text stands at a JSON pointer, in which * is every place of a list"),
    ("twice=POINTER VALUE", "the key at a JSON pointer stands there twice, the second time with the rest of the text"),
    ("per-page=N", "a page has at most N rows, whatever is asked for"),
    ("short=N", "only the first N rows of a page are there"),
    ("rows-of-page=N", "the rows of page N, whichever is asked for"),
    ("delay=DURATION", "carried out so much later"),
    ("add=N", "so many new rows at the front of the list first"),
    ("append=N", "so many new rows at its end first"),
    ("remove=N", "so many rows less at its front first"),
    ("remove-last=N", "so many rows less at its end first"),
    ("remove-at=INDEX", "this row less first, counted from 0"),
];

const CONDITIONS: &str = "page=N, skip=N, times=N";

/// Why a text is no fault; `Display` names the word and what could stand there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultError {
    /// A word that means nothing here.
    UnknownWord(String),
    /// A known word whose value is missing or makes no sense.
    Value {
        /// The word as written.
        word: String,
        /// What its value has to be.
        wanted: &'static str,
    },
    /// A second effect.
    TwoEffects(String),
    /// No effect at all.
    NoEffect,
}

impl fmt::Display for FaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownWord(word) => write!(f, "`{word}` is no part of a fault")?,
            Self::Value { word, wanted } => return write!(f, "`{word}` needs {wanted}"),
            Self::TwoEffects(word) => {
                return write!(f, "`{word}` is a second effect: write two faults");
            }
            Self::NoEffect => f.write_str("the fault has no effect")?,
        }
        write!(f, "; a fault is [METHOD] [PATH] [{CONDITIONS}] and one of:")?;
        EFFECTS.iter().try_for_each(|(form, meaning)| write!(f, "\n  {form:<22} {meaning}"))
    }
}

impl std::error::Error for FaultError {}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let mut reading = Reading { when: Self::on("*", "**"), effect: None, retry_after: None };
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (word, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            rest = after.trim_start();
            if reading.word(word, rest)? {
                rest = "";
            }
        }
        reading.finish()
    }
}

struct Reading {
    when: When,
    effect: Option<Effect>,
    /// Of itself a 429; together with a status its header.
    retry_after: Option<u64>,
}

impl Reading {
    /// Takes a word; true if it took the rest of the text as well.
    fn word(&mut self, word: &str, rest: &str) -> Result<bool, FaultError> {
        if word.starts_with('/') || word.starts_with("*/") || word.starts_with("**") {
            self.when.path = word.to_owned();
            return Ok(false);
        }
        if word == "*" {
            self.when.method = None;
            return Ok(false);
        }
        if !word.contains('=') && word.bytes().all(|byte| byte.is_ascii_uppercase()) {
            self.when.method = Some(word.to_owned());
            return Ok(false);
        }
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        };
        match name {
            "page" => self.when.page = Some(number(word, value)?),
            "skip" => self.when.skip = number(word, value)?,
            "times" => self.when.times = Some(number(word, value)?),
            "retry-after" => self.retry_after = Some(number(word, value)?),
            "body" => {
                let body = format!("{} {rest}", value.unwrap_or_default());
                self.effect(word, Effect::Body(body.trim().to_owned()))?;
                return Ok(true);
            }
            "answer-after" => {
                self.effect(word, Effect::answer_after(code(word, value)?, rest))?;
                return Ok(true);
            }
            "set" => {
                let (pointer, value) = pointer_and_value(word, value, rest)?;
                self.effect(word, Effect::Set { pointer, value })?;
                return Ok(true);
            }
            "twice" => {
                let (pointer, value) = pointer_and_value(word, value, rest)?;
                self.effect(word, Effect::Twice { pointer, value })?;
                return Ok(true);
            }
            _ => {
                let effect = effect(word, name, value)?;
                self.effect(word, effect)?;
            }
        }
        Ok(false)
    }

    fn effect(&mut self, word: &str, effect: Effect) -> Result<(), FaultError> {
        if self.effect.is_some() {
            return Err(FaultError::TwoEffects(word.to_owned()));
        }
        self.effect = Some(effect);
        Ok(())
    }

    fn finish(self) -> Result<Fault, FaultError> {
        let effect = match (self.effect, self.retry_after) {
            (None, None) => return Err(FaultError::NoEffect),
            (Some(effect), None) => effect,
            (None, retry_after) => Effect::RateLimited { retry_after },
            (Some(Effect::RateLimited { .. }), retry_after) => Effect::RateLimited { retry_after },
            (Some(Effect::Status { code, body, mut headers }), Some(seconds)) => {
                headers.push(("retry-after".to_owned(), seconds.to_string()));
                Effect::Status { code, body, headers }
            }
            (Some(_), Some(_)) => return Err(FaultError::TwoEffects("retry-after".to_owned())),
        };
        Ok(self.when.then(effect))
    }
}

fn effect(word: &str, name: &str, value: Option<&str>) -> Result<Effect, FaultError> {
    let bare = |effect: Effect| match value {
        None => Ok(effect),
        Some(_) => Err(wrong(word, "no value")),
    };
    match name {
        "status" => Ok(Effect::status(code(word, value)?)),
        "rate-limited" => bare(Effect::RateLimited { retry_after: None }),
        "html" => Ok(Effect::Html { status: code(word, value)? }),
        "redirect" => Ok(Effect::Redirect(text(word, value, "a URL")?)),
        "hang" => bare(Effect::Hang),
        "reset" => bare(Effect::Reset),
        "reset-after" => bare(Effect::ResetAfter),
        "status-after" => Ok(Effect::StatusAfter(code(word, value)?)),
        "cut" => bare(Effect::CutBody),
        "truncated" => bare(Effect::Truncated),
        "drip" if value.is_none() => Ok(Effect::Drip { every: Duration::from_millis(200) }),
        "drip" => Ok(Effect::Drip { every: duration(word, value)? }),
        "without" => Ok(Effect::Without(text(word, value, "a field's name")?)),
        "per-page" => Ok(Effect::PerPage(number(word, value)?)),
        "short" => Ok(Effect::Short(number(word, value)?)),
        "rows-of-page" => Ok(Effect::RowsOfPage(number(word, value)?)),
        "delay" => Ok(Effect::Delay(duration(word, value)?)),
        "add" => Ok(Effect::Rows(Change::AddFirst(number(word, value)?))),
        "append" => Ok(Effect::Rows(Change::AddLast(number(word, value)?))),
        "remove" => Ok(Effect::Rows(Change::RemoveFirst(number(word, value)?))),
        "remove-last" => Ok(Effect::Rows(Change::RemoveLast(number(word, value)?))),
        "remove-at" => Ok(Effect::Rows(Change::RemoveAt(number(word, value)?))),
        _ => Err(FaultError::UnknownWord(word.to_owned())),
    }
}

fn pointer_and_value(word: &str, pointer: Option<&str>, rest: &str) -> Result<(String, Value), FaultError> {
    let pointer = pointer.filter(|pointer| pointer.starts_with('/') && !rest.is_empty());
    let pointer = pointer.ok_or_else(|| wrong(word, "a JSON pointer, and a value after a space"))?;
    Ok((pointer.to_owned(), serde_json::from_str(rest).unwrap_or_else(|_| Value::from(rest))))
}

fn wrong(word: &str, wanted: &'static str) -> FaultError {
    FaultError::Value { word: word.to_owned(), wanted }
}

fn number<N: FromStr>(word: &str, value: Option<&str>) -> Result<N, FaultError> {
    let number = value.and_then(|value| value.parse().ok());
    number.ok_or_else(|| wrong(word, "a whole number after `=`"))
}

fn code(word: &str, value: Option<&str>) -> Result<u16, FaultError> {
    let code: Option<u16> = value.and_then(|value| value.parse().ok());
    // Others below 200 are no answer in HTTP: the client would wait on.
    let code = code.filter(|code| *code == 101 || (200..=999).contains(code));
    code.ok_or_else(|| wrong(word, "101 or an HTTP status from 200 to 999 after `=`"))
}

fn duration(word: &str, value: Option<&str>) -> Result<Duration, FaultError> {
    let duration = value.and_then(|value| humantime::parse_duration(value).ok());
    duration.ok_or_else(|| wrong(word, "a duration such as 50ms or 5s after `=`"))
}

fn text(word: &str, value: Option<&str>, wanted: &'static str) -> Result<String, FaultError> {
    let value = value.filter(|value| !value.is_empty());
    value.map(str::to_owned).ok_or_else(|| wrong(word, wanted))
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

    #[test]
    fn conditions_are_read() {
        let fault = fault("GET /v2/images/*/actions page=2 skip=1 times=3 status=500");

        let when = Fault::on("GET", "/v2/images/*/actions").page(2).skip(1).times(3);
        assert_eq!(fault.when, when);
        assert!(matches!(fault.then, Effect::Status { code: 500, .. }));
    }

    #[test]
    fn without_conditions_every_request_is_meant() {
        assert_eq!(fault("hang").when, Fault::on("*", "**"));
    }

    #[test]
    fn every_effect_that_is_listed_is_understood() {
        for (form, _) in EFFECTS {
            let text = form.replace("CODE", "500").replace("SECONDS", "2").replace("URL", "http://127.0.0.1:1");
            let text = text.replace("[=DURATION]", "=1s").replace("DURATION", "5s").replace("=N", "=3");
            let text = text.replace("INDEX", "4").replace("POINTER", "/actions/3/id");

            text.parse::<Fault>().unwrap_or_else(|error| panic!("{text}: {error}"));
        }
    }

    #[test]
    fn an_answer_takes_the_rest_and_may_be_empty() {
        for (text, status, expected) in [
            ("answer-after=202 null", 202, "null"),
            ("POST ** answer-after=204", 204, ""),
            ("answer-after=101", 101, ""),
        ] {
            let Effect::AnswerAfter { code, body, headers } = fault(text).then else { panic!("{text}") };
            assert_eq!((code, body.as_str(), headers.len()), (status, expected, 0));
        }
    }

    #[test]
    fn body_and_set_take_the_rest() {
        let Effect::Body(body) = fault("times=1 body={\"a\": 1, \"b\": 2}").then else { panic!() };
        assert_eq!(body, "{\"a\": 1, \"b\": 2}");

        let Effect::Set { pointer, value } = fault("set=/actions/3/id 1.5").then else { panic!() };
        assert_eq!((pointer.as_str(), value), ("/actions/3/id", Value::from(1.5)));

        let Effect::Set { value, .. } = fault("set=/region New York").then else { panic!() };
        assert_eq!(value, "New York");
    }

    #[test]
    fn retry_after_is_a_429_or_a_statuss_header() {
        let limited = fault("retry-after=2").then;
        assert!(matches!(limited, Effect::RateLimited { retry_after: Some(2) }));

        let Effect::Status { code, headers, .. } = fault("status=503 retry-after=2").then else { panic!() };
        assert_eq!((code, headers), (503, vec![("retry-after".to_owned(), "2".to_owned())]));
    }

    #[test]
    fn an_unknown_word_is_named_with_the_known_ones() {
        let message = error("GET /v2/images hangs");

        assert!(message.contains("`hangs`") && message.contains("\n  reset-after"), "{message}");
    }

    #[test]
    fn a_bad_value_is_named_with_what_it_has_to_be() {
        assert_eq!(error("delay=soon"), "`delay=soon` needs a duration such as 50ms or 5s after `=`");
        assert_eq!(error("hang=1s"), "`hang=1s` needs no value");
        assert!(error("status=99").contains("200 to 999"));
        assert!(error("cut hang").contains("second effect"));
        assert!(error("GET /v2/images").contains("no effect"));
    }
}
