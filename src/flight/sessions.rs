//! The options of the clients' sessions: where they are found, and where they are kept.
//!
//! ```text
//!   headers `catalog`, `schema`, …     with each call: the ODBC driver's connection string, the JDBC driver's URL
//!   SetSessionOptions ──► cookie       any server can read it
//!                     ──► kept here    for clients that return no cookies: by the token of their handshake, or else with
//!                                      their connection
//! ```
//!
//! The cookie also has a number, by which temporary tables are found (`Sessions::scope`). It is set with the first FlightInfo.
//!
//! What SetSessionOptions has set comes before the headers. Before the first call with a cookie, it is not known whether a
//! client returns cookies, so the options are also kept here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use tonic::Extensions;
use tonic::metadata::{Ascii, MetadataMap, MetadataValue};

use super::fault::Fault;
use super::handle::nonce;
use super::handshake;
use super::session_messages::proto::session_option_value::OptionValue;
use super::session_messages::{from_texts, names, set, to_texts};
use crate::engine::{Engine, SessionOptions, SessionScope};

/// The name that the specification of Flight suggests.
const COOKIE: &str = "arrow_flight_session_id";

/// The maximum number of sessions that are kept by token. The one that was not used for longest is dropped first.
const MAX_SESSIONS: u64 = 10_000;

/// How long a session is kept that is not used. The pools of BI tools keep connections for hours.
const MAX_IDLE: Duration = Duration::from_secs(24 * 60 * 60);

/// The maximum number of sessions of a connection. A proxy may send the calls of several clients over one.
const MAX_SESSIONS_OF_A_CONNECTION: usize = 16;

/// The sessions of a connection, by the `authorization` header of their calls. They end with the connection. The server puts
/// this into the extensions of each call.
#[derive(Clone, Debug, Default)]
pub struct ConnectionSessions(Arc<Mutex<BTreeMap<Vec<u8>, SessionOptions>>>);

impl ConnectionSessions {
    /// Usable after a panic: each change is a single call of the map.
    fn sessions(&self) -> MutexGuard<'_, BTreeMap<Vec<u8>, SessionOptions>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sessions that are found by a token of a handshake, and what belongs to sessions.
pub(super) struct Sessions {
    kept: Cache<String, SessionOptions>,
    /// By the number in the cookie, or the token of a handshake: only one client has them. A connection may be one of a proxy,
    /// which several clients share.
    scopes: Cache<String, SessionScope>,
}

impl Default for Sessions {
    fn default() -> Self {
        let kept = Cache::builder().max_capacity(MAX_SESSIONS).eviction_policy(EvictionPolicy::lru());
        let scopes = Cache::builder().max_capacity(MAX_SESSIONS).eviction_policy(EvictionPolicy::lru());
        Self { kept: kept.time_to_idle(MAX_IDLE).build(), scopes: scopes.time_to_idle(MAX_IDLE).build() }
    }
}

impl Sessions {
    /// The options of a call's session.
    ///
    /// # Errors
    /// [`Fault::SessionOption`]: a header that is an option has no valid value.
    pub(super) fn options(
        &self,
        engine: &Engine,
        headers: &MetadataMap,
        extensions: &Extensions,
    ) -> Result<SessionOptions, Fault> {
        Ok(self.stored(engine, headers, extensions).or(&of_headers(engine, headers)?))
    }

    /// What belongs to a call's session. None: the client carries none from call to call.
    pub(super) fn scope(&self, headers: &MetadataMap) -> Option<SessionScope> {
        Some(self.scopes.get_with(own_key(headers)?, SessionScope::default))
    }

    /// A cookie that gives a client a session of its own, if it carries none and returns cookies.
    pub(super) fn new_cookie(
        &self,
        engine: &Engine,
        headers: &MetadataMap,
        extensions: &Extensions,
    ) -> Option<MetadataValue<Ascii>> {
        match own_key(headers) {
            Some(_) => None,
            None => set_cookie(&self.stored(engine, headers, extensions), &new_number()),
        }
    }

    /// What SetSessionOptions has set.
    pub(super) fn stored(&self, engine: &Engine, headers: &MetadataMap, extensions: &Extensions) -> SessionOptions {
        if let Some(cookie) = cookie(headers) {
            return of_cookie(engine, &cookie);
        }
        let stored = match handshake::own_token(headers) {
            Some(token) => self.kept.get(&token),
            None => extensions
                .get::<ConnectionSessions>()
                .and_then(|connection| connection.sessions().get(&authorization(headers)).cloned()),
        };
        stored.unwrap_or_default()
    }

    /// Keeps the options, unless the client returns cookies. Returns the cookie that has them.
    ///
    /// # Errors
    /// [`Fault::ManySessions`]
    pub(super) fn store(
        &self,
        options: &SessionOptions,
        headers: &MetadataMap,
        extensions: &Extensions,
    ) -> Result<Option<MetadataValue<Ascii>>, Fault> {
        if cookie(headers).is_none() {
            if let Some(token) = handshake::own_token(headers) {
                self.kept.insert(token, options.clone());
            } else if let Some(connection) = extensions.get::<ConnectionSessions>() {
                let (mut sessions, key) = (connection.sessions(), authorization(headers));
                if sessions.len() >= MAX_SESSIONS_OF_A_CONNECTION && !sessions.contains_key(&key) {
                    return Err(Fault::ManySessions { most: MAX_SESSIONS_OF_A_CONNECTION });
                }
                sessions.insert(key, options.clone());
            }
        }
        let number = cookie(headers).and_then(|cookie| number_of(&cookie)).unwrap_or_else(new_number);
        Ok(set_cookie(options, &number))
    }

    /// Forgets the options. Returns the cookie that makes the client forget them.
    pub(super) fn close(&self, headers: &MetadataMap, extensions: &Extensions) -> Option<MetadataValue<Ascii>> {
        if let Some(key) = own_key(headers) {
            self.scopes.invalidate(&key);
        }
        if let Some(token) = handshake::own_token(headers) {
            self.kept.invalidate(&token);
        }
        if let Some(connection) = extensions.get::<ConnectionSessions>() {
            connection.sessions().remove(&authorization(headers));
        }
        format!("{COOKIE}=; Max-Age=0").parse().ok()
    }
}

/// The number of a session, which must not be guessed.
fn new_number() -> String {
    format!("{:016x}{:016x}", nonce(), nonce())
}

/// What only this client sends.
fn own_key(headers: &MetadataMap) -> Option<String> {
    // The token first: a client that has one keeps it, and gets a cookie when it sets an option.
    handshake::own_token(headers).or_else(|| cookie(headers).and_then(|cookie| number_of(&cookie)))
}

/// The number in a cookie. One of another form was not made by a server.
fn number_of(cookie: &str) -> Option<String> {
    let pairs = percent_decode_str(cookie).decode_utf8_lossy();
    let number = pairs.split('&').find_map(|pair| pair.strip_prefix("id="))?;
    (number.len() == 32 && number.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| number.to_owned())
}

fn set_cookie(options: &SessionOptions, number: &str) -> Option<MetadataValue<Ascii>> {
    format!("{COOKIE}={}", to_cookie(options, number)).parse().ok()
}

/// Two clients on one connection are told apart by this header.
fn authorization(headers: &MetadataMap) -> Vec<u8> {
    headers.get("authorization").map(|header| header.as_bytes().to_vec()).unwrap_or_default()
}

/// The options that are sent as headers with each call.
fn of_headers(engine: &Engine, headers: &MetadataMap) -> Result<SessionOptions, Fault> {
    let mut options = SessionOptions::default();
    for name in names() {
        let Some(value) = headers.get(name) else { continue };
        let value = value.to_str().map_err(|_| Fault::SessionOption { name, value: String::new() })?;
        set(engine, &mut options, name, Some(OptionValue::StringValue(value.to_owned())))
            .map_err(|_| Fault::SessionOption { name, value: value.to_owned() })?;
    }
    Ok(options)
}

/// The value of this server's cookie.
fn cookie(headers: &MetadataMap) -> Option<String> {
    let cookies = headers.get_all("cookie").iter().filter_map(|header| header.to_str().ok());
    let pairs = cookies.flat_map(|header| header.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == COOKIE).map(|(_, value)| value.to_owned()).next()
}

/// `id=…&catalog=digitalocean&schema=compute`, percent-encoded.
fn to_cookie(options: &SessionOptions, number: &str) -> String {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let options = to_texts(options).into_iter().map(|(name, value)| format!("{name}={}", encode(&value)));
    let pairs: Vec<String> = std::iter::once(format!("id={number}")).chain(options).collect();
    encode(&pairs.join("&"))
}

fn of_cookie(engine: &Engine, cookie: &str) -> SessionOptions {
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let pairs = decode(cookie);
    let values: Vec<(&str, String)> =
        pairs.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (name, decode(value))).collect();
    // What is wrong is left out: the cookie is from another version of this server, or forged.
    let mut options = SessionOptions::default();
    for (name, value) in &values {
        if let Ok(set) = from_texts(engine, [(*name, value.as_str())]) {
            options = set.or(&options);
        }
    }
    options
}
