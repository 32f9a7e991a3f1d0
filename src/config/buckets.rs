//! The keys of buckets: from settings, or from the variables that every tool for S3 reads.

use super::{Environment, Error, Settings, token};
use crate::datasets::BucketKeys;
use crate::secret::Secret;

const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";

/// The keys; none if nothing sets any. Settings come before variables, and half a pair is an error.
pub(super) fn keys(settings: &Settings, environment: &Environment) -> Result<Option<BucketKeys>, Error> {
    match (&settings.s3_access_key_id, &settings.s3_secret_key_file) {
        (Some(id), Some(file)) => {
            let secret_key = token::read_secret(file)?;
            return Ok(Some(BucketKeys { access_key_id: id.clone(), secret_key, session_token: None }));
        }
        (None, None) => {}
        (Some(_), None) => return Err(Error::HalfAKey { set: "s3.access_key_id", missing: "s3.secret_key_file" }),
        (None, Some(_)) => return Err(Error::HalfAKey { set: "s3.secret_key_file", missing: "s3.access_key_id" }),
    }
    let variable = |name| environment.text(name).map(|text| text.filter(|text| !text.trim().is_empty()));
    match (variable(ACCESS_KEY_ID)?, variable(SECRET_ACCESS_KEY)?) {
        (Some(id), Some(secret)) => Ok(Some(BucketKeys {
            access_key_id: id.trim().to_owned(),
            secret_key: Secret::new(secret),
            session_token: variable(SESSION_TOKEN)?.map(Secret::new),
        })),
        // Half a pair of variables is not ours: they may be set for another program.
        _ => Ok(None),
    }
}
