//! The test effects as text.

use std::time::Duration;

use serde_json::Value;

use super::Change;
use super::effect::{After, Before, Instead, Paging, TestEffect};
use crate::fault_text::{FaultError, Word};

/// The effects, as the error for an unknown word lists them.
pub(crate) const EFFECTS: &[(&str, &str)] = &[
    ("html=CODE", "the error page of a gateway"),
    ("body=TEXT", "200 with the rest of the text as its JSON"),
    ("redirect=URL", "302 to this URL"),
    ("hang", "no response; the connection stays open"),
    ("reset", "the connection closes before the request is executed"),
    ("reset-after", "the connection closes after the request is executed"),
    ("status-after=CODE", "the request is executed, then this error is returned"),
    (
        "answer-after=CODE TEXT",
        "the request is executed, then this status and the rest of the text, which may be empty",
    ),
    ("cut", "the connection closes half-way through the body"),
    ("truncated", "the JSON ends half-way"),
    ("drip[=DURATION]", "byte by byte, without end"),
    ("without=FIELD", "a field or the value at a JSON pointer is removed; /actions/*/id for all rows"),
    ("set=POINTER VALUE", "the rest of the text is the value at a JSON pointer, in which * is every index of a list"),
    ("twice=POINTER VALUE", "the key at a JSON pointer comes twice, the second time with the rest of the text"),
    ("per-page=N", "a page has at most N rows, whatever per_page is"),
    ("short=N", "only the first N rows of a page are returned"),
    ("rows-of-page=N", "the rows of page N, whichever page is requested"),
    ("delay=DURATION", "the request is executed after this time"),
    ("add=N", "N new rows at the front of the list before the response"),
    ("append=N", "N new rows at its end"),
    ("remove=N", "N rows removed from its front"),
    ("remove-last=N", "N rows removed from its end"),
    ("remove-at=INDEX", "the row at this index removed, counted from 0"),
];

/// The effect that starts with `word`, and the text that is left.
pub(crate) fn effect<'t>(word: Word<'t>, rest: &'t str) -> Result<(TestEffect, &'t str), FaultError> {
    let effect = match word.name {
        "body" => {
            let body = format!("{} {rest}", word.value.unwrap_or_default());
            return Ok((TestEffect::Instead(Instead::Body(body.trim().to_owned())), ""));
        }
        "answer-after" => return Ok((TestEffect::answer_after(word.code()?, rest), "")),
        "set" => {
            let (pointer, value) = word.pointer_and_value(rest)?;
            return Ok((TestEffect::After(After::Set { pointer, value }), ""));
        }
        "twice" => {
            let (pointer, value) = word.pointer_and_value(rest)?;
            return Ok((TestEffect::After(After::Twice { pointer, value }), ""));
        }
        "html" => TestEffect::Instead(Instead::Html(word.code()?)),
        "redirect" => TestEffect::Instead(Instead::Redirect(word.text("a URL")?)),
        "hang" => word.without_value(TestEffect::Instead(Instead::Hang))?,
        "reset" => word.without_value(TestEffect::Instead(Instead::Reset))?,
        "per-page" => TestEffect::Paging(Paging::PerPage(word.number()?)),
        "rows-of-page" => TestEffect::Paging(Paging::RowsOfPage(word.number()?)),
        _ => match before(word)? {
            Some(effect) => TestEffect::Before(effect),
            None => TestEffect::After(after(word)?),
        },
    };
    Ok((effect, rest))
}

fn before(word: Word<'_>) -> Result<Option<Before>, FaultError> {
    Ok(Some(match word.name {
        "delay" => Before::Delay(word.duration()?),
        "add" => Before::Rows(Change::AddFirst(word.number()?)),
        "append" => Before::Rows(Change::AddLast(word.number()?)),
        "remove" => Before::Rows(Change::RemoveFirst(word.number()?)),
        "remove-last" => Before::Rows(Change::RemoveLast(word.number()?)),
        "remove-at" => Before::Rows(Change::RemoveAt(word.number()?)),
        _ => return Ok(None),
    }))
}

fn after(word: Word<'_>) -> Result<After, FaultError> {
    match word.name {
        "reset-after" => word.without_value(After::Reset),
        "status-after" => Ok(After::Answer { code: word.code()?, body: None, headers: Vec::new() }),
        "cut" => word.without_value(After::CutBody),
        "truncated" => word.without_value(After::Truncated),
        "drip" if word.value.is_none() => Ok(After::Drip(Duration::from_millis(200))),
        "drip" => Ok(After::Drip(word.duration()?)),
        "without" => Ok(After::Without(word.text("a field's name")?)),
        "short" => Ok(After::Short(word.number()?)),
        _ => Err(FaultError::UnknownWord(word.text.to_owned())),
    }
}

impl Word<'_> {
    fn duration(self) -> Result<Duration, FaultError> {
        let duration = self.value.and_then(|value| humantime::parse_duration(value).ok());
        duration.ok_or_else(|| self.needs("a duration such as 50ms or 5s after `=`"))
    }

    fn text(self, wanted: &'static str) -> Result<String, FaultError> {
        let value = self.value.filter(|value| !value.is_empty());
        value.map(str::to_owned).ok_or_else(|| self.needs(wanted))
    }

    fn pointer_and_value(self, rest: &str) -> Result<(String, Value), FaultError> {
        let pointer = self.value.filter(|pointer| pointer.starts_with('/') && !rest.is_empty());
        let pointer = pointer.ok_or_else(|| self.needs("a JSON pointer, and a value after a space"))?;
        Ok((pointer.to_owned(), serde_json::from_str(rest).unwrap_or_else(|_| Value::from(rest))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Effect, Fault};

    fn effect_of(text: &str) -> TestEffect {
        match text.parse::<Fault>().unwrap().then {
            Effect::Test(effect) => effect,
            Effect::Status { .. } => panic!("{text}"),
        }
    }

    fn error(text: &str) -> String {
        text.parse::<Fault>().unwrap_err().to_string()
    }

    #[test]
    fn an_answer_takes_the_rest_of_the_text_which_may_be_empty() {
        for (text, status, expected) in [
            ("answer-after=202 null", 202, "null"),
            ("POST ** answer-after=204", 204, ""),
            ("answer-after=101", 101, ""),
        ] {
            let TestEffect::After(After::Answer { code, body, headers }) = effect_of(text) else { panic!("{text}") };
            assert_eq!((code, body.as_deref(), headers.len()), (status, Some(expected), 0));
        }
    }

    #[test]
    fn body_and_set_take_the_rest_of_the_text() {
        let TestEffect::Instead(Instead::Body(body)) = effect_of("times=1 body={\"a\": 1, \"b\": 2}") else { panic!() };
        assert_eq!(body, "{\"a\": 1, \"b\": 2}");

        let TestEffect::After(After::Set { pointer, value }) = effect_of("set=/actions/3/id 1.5") else { panic!() };
        assert_eq!((pointer.as_str(), value), ("/actions/3/id", Value::from(1.5)));

        let TestEffect::After(After::Set { value, .. }) = effect_of("set=/region New York") else { panic!() };
        assert_eq!(value, "New York");
    }

    #[test]
    fn an_invalid_value_of_an_effect_is_named_with_what_it_has_to_be() {
        assert_eq!(error("delay=soon"), "`delay=soon` needs a duration such as 50ms or 5s after `=`");
        assert_eq!(error("hang=1s"), "`hang=1s` needs no value");
        assert!(error("cut hang").contains("second effect"));
        assert!(error("hang retry-after=2").contains("second effect"));
    }
}
