//! From a request to its answer: token, limits, faults, and between them the API.

use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use serde_json::{Value, json};

use super::account::Account;
use super::answer::{Answer, Body};
use super::api;
use super::asked::Asked;
use super::connection::Line;
use super::control;
use super::delivery::{self, Delivery};
use super::fault::Effect;
use super::page::Page;
use super::route::Found;

/// No request of this API is longer.
const LONGEST_BODY_BYTES: usize = 1 << 20;

/// Answers every request there is.
pub(super) async fn respond(State(account): State<Account>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, LONGEST_BODY_BYTES).await.unwrap_or_default();
    if let Some(own) = parts.uri.path().strip_prefix("/_demo/") {
        return control::respond(&account, parts.method.as_str(), own, &body);
    }
    let asked = Asked::new(&parts, body);
    let flight = account.arrive(asked.recorded());
    match end(&account, &asked).await {
        End::Answer(answer, delivery) => {
            flight.answered(answer.status);
            let standing = account.standing(asked.token.as_deref().unwrap_or(""));
            delivery::response(answer, &delivery, standing)
        }
        End::Never => std::future::pending().await,
        End::Drop => {
            if let Some(ConnectInfo(line)) = parts.extensions.get::<ConnectInfo<Line>>() {
                line.cut();
            }
            std::future::pending().await
        }
    }
}

/// How a request ends.
enum End {
    Answer(Answer, Delivery),
    /// With a connection that stays and says nothing.
    Never,
    /// With a connection that is dropped.
    Drop,
}

async fn end(account: &Account, asked: &Asked) -> End {
    let whole = |answer| End::Answer(answer, Delivery::Whole);
    let allowed = allowed(account, asked);
    let latency = account.options().latency;
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    if let Err(refusal) = allowed {
        return whole(refusal);
    }
    let effects = account.faults().strike(&asked.method, &asked.path, asked.page);
    for effect in &effects {
        before(account, asked, effect).await;
    }
    if let Some(end) = effects.iter().find_map(instead) {
        return end;
    }
    let answer = answer(account, asked, &effects);
    effects.iter().fold(whole(answer), after)
}

/// What the API answers, where it may take the page or its size for another.
fn answer(account: &Account, asked: &Asked, effects: &[Effect]) -> Answer {
    let size = effects.iter().find_map(|effect| if let Effect::PerPage(rows) = effect { Some(*rows) } else { None });
    let asked = match (size, Page::of(&asked.query)) {
        (Some(most), Ok(page)) => asked.clone().with("per_page", page.rows().min(most)),
        _ => asked.clone(),
    };
    let mut answer = api::answer(account, &asked);
    let page = effects.iter().find_map(|effect| if let Effect::RowsOfPage(page) = effect { Some(*page) } else { None });
    if let (Some(page), Body::Json(body)) = (page, &mut answer.body)
        && let Body::Json(other) = api::answer(account, &asked.with("page", page)).body
    {
        delivery::with_rows_of(body, &other);
    }
    answer
}

/// Whether the token is good and has requests left.
fn allowed(account: &Account, asked: &Asked) -> Result<(), Answer> {
    let options = account.options();
    let token = asked.token.as_deref().ok_or_else(|| Answer::refusal(401))?;
    if options.token.as_deref().is_some_and(|own| own != token) {
        return Err(Answer::refusal(401));
    }
    account.admit(token).map_err(|wait| {
        let seconds = options.retry_after.then(|| whole_seconds(wait));
        rate_limited(seconds)
    })
}

/// What happens before the request is carried out.
async fn before(account: &Account, asked: &Asked, effect: &Effect) {
    match effect {
        Effect::Delay(wait) => tokio::time::sleep(*wait).await,
        Effect::Hold(gate) => {
            if let Ok(permit) = gate.acquire().await {
                permit.forget();
            }
        }
        Effect::Rows(change) => {
            if let Found::Place(place) = account.paths().find(&asked.method, &asked.path) {
                account.tables().change(place.table, place.parent, *change);
            }
        }
        Effect::Status { .. }
        | Effect::RateLimited { .. }
        | Effect::Html { .. }
        | Effect::Body(_)
        | Effect::Redirect(_)
        | Effect::Hang
        | Effect::Reset
        | Effect::ResetAfter
        | Effect::StatusAfter(_)
        | Effect::AnswerAfter { .. }
        | Effect::CutBody
        | Effect::Truncated
        | Effect::Drip { .. }
        | Effect::Without(_)
        | Effect::Set { .. }
        | Effect::Twice { .. }
        | Effect::PerPage(_)
        | Effect::Short(_)
        | Effect::RowsOfPage(_) => {}
    }
}

fn whole_seconds(wait: Duration) -> u64 {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    seconds.max(1)
}

fn rate_limited(retry_after: Option<u64>) -> Answer {
    let refusal = Answer::refusal(429);
    match retry_after {
        Some(seconds) => refusal.with_header("retry-after", seconds.to_string()),
        None => refusal,
    }
}

/// The end of a request that is not carried out.
fn instead(effect: &Effect) -> Option<End> {
    let answer = match effect {
        Effect::Status { code, body, headers } => {
            let answer = match body {
                Some(body) => Answer::json(*code, body.clone()),
                None => Answer::refusal(*code),
            };
            Answer { headers: headers.clone(), ..answer }
        }
        Effect::RateLimited { retry_after } => rate_limited(*retry_after),
        Effect::Html { status } => Answer::html(*status),
        Effect::Body(text) => Answer { body: Body::Raw(text.clone()), ..Answer::json(200, Value::Null) },
        Effect::Redirect(url) => Answer::json(302, json!({})).with_header("location", url),
        Effect::Hang => return Some(End::Never),
        Effect::Reset => return Some(End::Drop),
        Effect::ResetAfter
        | Effect::StatusAfter(_)
        | Effect::AnswerAfter { .. }
        | Effect::CutBody
        | Effect::Truncated
        | Effect::Drip { .. }
        | Effect::Without(_)
        | Effect::Set { .. }
        | Effect::Twice { .. }
        | Effect::PerPage(_)
        | Effect::Short(_)
        | Effect::RowsOfPage(_)
        | Effect::Delay(_)
        | Effect::Hold(_)
        | Effect::Rows(_) => return None,
    };
    Some(End::Answer(answer, Delivery::Whole))
}

/// What becomes of the answer of a request that was carried out.
fn after(end: End, effect: &Effect) -> End {
    let End::Answer(mut answer, delivery) = end else { return end };
    match effect {
        Effect::ResetAfter => return End::Drop,
        Effect::StatusAfter(code) => return End::Answer(Answer::refusal(*code), delivery),
        Effect::AnswerAfter { code, body, headers } => {
            let answer = Answer { headers: headers.clone(), ..Answer::raw(*code, body) };
            return End::Answer(answer, delivery);
        }
        Effect::CutBody => return End::Answer(answer, Delivery::Cut),
        Effect::Truncated => return End::Answer(answer, Delivery::Truncated),
        Effect::Drip { every } => return End::Answer(answer, Delivery::Drip(*every)),
        Effect::Without(field) => change_body(&mut answer, |body| delivery::without(body, field)),
        Effect::Set { pointer, value } => {
            change_body(&mut answer, |body| delivery::set(body, pointer, value));
        }
        Effect::Short(rows) => change_body(&mut answer, |body| delivery::cut_rows(body, *rows)),
        Effect::Twice { pointer, value } => {
            if let Body::Json(body) = answer.body {
                answer.body = Body::Raw(delivery::twice(body, pointer, value));
            }
        }
        Effect::Status { .. }
        | Effect::RateLimited { .. }
        | Effect::Html { .. }
        | Effect::Body(_)
        | Effect::Redirect(_)
        | Effect::Hang
        | Effect::Reset
        | Effect::PerPage(_)
        | Effect::RowsOfPage(_)
        | Effect::Delay(_)
        | Effect::Hold(_)
        | Effect::Rows(_) => {}
    }
    End::Answer(answer, delivery)
}

fn change_body(answer: &mut Answer, change: impl FnOnce(&mut Value)) {
    if let Body::Json(body) = &mut answer.body {
        change(body);
    }
}

#[cfg(test)]
mod tests {
    use super::super::client::{ask_as, get, start_with};
    use super::super::{Limits, Options};
    use super::*;

    #[tokio::test]
    async fn a_request_without_the_token_is_refused() {
        let options = Options { token: Some("right".to_owned()), ..Options::default() };
        let demo = start_with(options).await;
        let status =
            async |header: &str| ask_as(&demo, "GET", "/v2/images", "", header).await.expect("an answer").status;

        assert_eq!(status("").await, 401);
        assert_eq!(status("authorization: Bearer \r\n").await, 401);
        assert_eq!(status("authorization: Basic right\r\n").await, 401);
        assert_eq!(status("authorization: Bearer wrong\r\n").await, 401);
        assert_eq!(status("authorization: Bearer right\r\n").await, 200);
        let authorized: Vec<_> = demo.account().requests().iter().map(|one| one.authorized).collect();
        assert_eq!(authorized, [false, true, true, true, true]);
    }

    #[tokio::test]
    async fn every_answer_tells_of_the_limits() {
        let limits = Limits { per_minute: 2, ..Limits::default() };
        let demo = start_with(Options { limits, ..Options::default() }).await;

        get(&demo, "/v2/images").await;
        let last = get(&demo, "/v2/nothing").await;
        let refused = get(&demo, "/v2/images").await;

        assert_eq!((last.header("ratelimit-limit"), last.header("ratelimit-remaining")), (Some("5000"), Some("4998")));
        assert!(last.header("ratelimit-reset").is_some());
        assert_eq!((refused.status, refused.json()["id"].as_str()), (429, Some("too_many_requests")));
        assert!((1..=60).contains(&refused.header("retry-after").unwrap().parse::<u64>().unwrap()));
        assert_eq!((demo.account().refused(), refused.header("ratelimit-remaining")), (1, Some("4998")));
    }

    #[tokio::test]
    async fn limits_are_counted_for_each_token() {
        let limits = Limits { per_minute: 1, ..Limits::default() };
        let demo = start_with(Options { limits, retry_after: false, ..Options::default() }).await;
        let other = "authorization: Bearer other\r\n";

        get(&demo, "/v2/images").await;

        assert_eq!(ask_as(&demo, "GET", "/v2/images", "", other).await.unwrap().status, 200);
        let refused = get(&demo, "/v2/images").await;
        assert_eq!((refused.status, refused.header("retry-after")), (429, None));
    }

    #[test]
    fn a_wait_is_told_in_whole_seconds_of_at_least_one() {
        assert_eq!(whole_seconds(Duration::from_millis(3)), 1);
        assert_eq!(whole_seconds(Duration::from_secs(2)), 2);
        assert_eq!(whole_seconds(Duration::from_millis(2_001)), 3);
    }
}
