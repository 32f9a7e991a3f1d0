//! Applies the effects of faults to one request: before it is executed, instead of that, and on the response.

use std::future::pending;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Response;
use axum::http::request::Parts;
use serde_json::{Value, json};

use super::body;
use super::delivery::Delivery;
use super::effect::{After, Before, Instead, Paging, TestEffect};
use crate::account::Account;
use crate::api;
use crate::connection::ConnectionHandle;
use crate::fault::Effect;
use crate::handler::Outcome;
use crate::page::Page;
use crate::rate_limit::RateLimitStatus;
use crate::request::ApiRequest;
use crate::response::{ApiResponse, Content};
use crate::route::RouteMatch;

/// A response that does not arrive as the API sends it.
pub(crate) enum Broken {
    Body(ApiResponse, Delivery),
    /// No response; the connection stays open.
    Hang,
    /// No response; the connection closes.
    Close,
}

impl Broken {
    /// Sends what the client gets of the response; does not return if there is none.
    pub(crate) async fn send(self, parts: &Parts, rate_limit: (RateLimitStatus, i64)) -> Response<Body> {
        match self {
            Self::Body(response, delivery) => delivery.send(response.into_http(rate_limit)),
            Self::Hang => pending().await,
            Self::Close => {
                if let Some(ConnectInfo(connection)) = parts.extensions.get::<ConnectInfo<ConnectionHandle>>() {
                    connection.close();
                }
                pending().await
            }
        }
    }
}

fn test_effects(effects: &[Effect]) -> impl Iterator<Item = &TestEffect> {
    effects.iter().filter_map(|effect| match effect {
        Effect::Test(effect) => Some(effect),
        Effect::Status { .. } => None,
    })
}

/// Applies what happens before the request is executed.
pub(crate) async fn before(account: &Account, request: &ApiRequest, effects: &[Effect]) {
    for effect in test_effects(effects) {
        let TestEffect::Before(effect) = effect else { continue };
        match effect {
            Before::Delay(wait) => tokio::time::sleep(*wait).await,
            Before::Hold(gate) => {
                if let Ok(permit) = gate.acquire().await {
                    permit.forget();
                }
            }
            Before::Rows(change) => {
                if let RouteMatch::Target(target) = account.paths().find(&request.method, &request.path) {
                    account.tables().change(target.table, target.parent, *change);
                }
            }
        }
    }
}

/// Executes the request, unless an effect decides otherwise, and applies the effects on its response.
pub(crate) fn outcome(account: &Account, request: &ApiRequest, effects: &[Effect]) -> Outcome {
    for effect in test_effects(effects) {
        if let TestEffect::Instead(effect) = effect {
            return instead(effect);
        }
    }
    let mut response = respond(account, request, effects);
    let mut delivery = None;
    for effect in test_effects(effects) {
        let TestEffect::After(effect) = effect else { continue };
        match effect {
            After::Reset => return Outcome::Broken(Broken::Close),
            After::Answer { code, body, headers } => response = answer(*code, body.as_deref(), headers),
            After::CutBody => delivery = Some(Delivery::Cut),
            After::Truncated => delivery = Some(Delivery::Truncated),
            After::Drip(interval) => delivery = Some(Delivery::Drip(*interval)),
            After::Without(field) => change_body(&mut response, |json| body::without(json, field)),
            After::Set { pointer, value } => change_body(&mut response, |json| body::set(json, pointer, value)),
            After::Short(rows) => change_body(&mut response, |json| body::truncate_rows(json, *rows)),
            After::Twice { pointer, value } => {
                if let Content::Json(json) = response.content {
                    response.content = Content::Raw(body::twice(json, pointer, value));
                }
            }
        }
    }
    match delivery {
        None => Outcome::Response(response),
        Some(delivery) => Outcome::Broken(Broken::Body(response, delivery)),
    }
}

/// The outcome of a request that is not executed.
fn instead(effect: &Instead) -> Outcome {
    Outcome::Response(match effect {
        Instead::Html(status) => ApiResponse::html(*status),
        Instead::Body(text) => {
            ApiResponse { content: Content::Raw(text.clone()), ..ApiResponse::json(200, Value::Null) }
        }
        Instead::Redirect(url) => ApiResponse::json(302, json!({})).with_header("location", url),
        Instead::Hang => return Outcome::Broken(Broken::Hang),
        Instead::Reset => return Outcome::Broken(Broken::Close),
    })
}

/// The API's response, for another page or page size if an effect says so.
fn respond(account: &Account, request: &ApiRequest, effects: &[Effect]) -> ApiResponse {
    let (mut per_page, mut rows_of_page) = (None, None);
    for effect in test_effects(effects) {
        match effect {
            TestEffect::Paging(Paging::PerPage(most)) => per_page = per_page.or(Some(*most)),
            TestEffect::Paging(Paging::RowsOfPage(page)) => rows_of_page = rows_of_page.or(Some(*page)),
            TestEffect::Before(_) | TestEffect::Instead(_) | TestEffect::After(_) => {}
        }
    }
    let mut request = request.clone();
    if let (Some(most), Ok(page)) = (per_page, Page::of(&request.query)) {
        request.set_parameter("per_page", page.rows().min(most));
    }
    let mut response = api::respond(account, &request);
    if let (Some(page), Content::Json(json)) = (rows_of_page, &mut response.content) {
        request.set_parameter("page", page);
        if let Content::Json(other) = api::respond(account, &request).content {
            body::with_rows_of(json, &other);
        }
    }
    response
}

fn answer(code: u16, body: Option<&str>, headers: &[(String, String)]) -> ApiResponse {
    let response = body.map_or_else(|| ApiResponse::refusal(code), |body| ApiResponse::raw(code, body));
    ApiResponse { headers: headers.to_vec(), ..response }
}

fn change_body(response: &mut ApiResponse, change: impl FnOnce(&mut Value)) {
    if let Content::Json(json) = &mut response.content {
        change(json);
    }
}

impl ApiRequest {
    /// Replaces a query parameter.
    fn set_parameter(&mut self, name: &str, value: u64) {
        self.query.retain(|(own, _)| own != name);
        self.query.push((name.to_owned(), value.to_string()));
    }
}
