//! The stores of buckets: S3, and what speaks its protocol.

use std::sync::Arc;
use std::time::Duration;

use datafusion::execution::runtime_env::RuntimeEnv;
use object_store::RetryConfig;
use object_store::aws::AmazonS3Builder;
use url::Url;

use super::fault::Fault;
use crate::secret::Secret;

/// How buckets are reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BucketOptions {
    /// The URL of the service. `None`: AWS.
    pub endpoint: Option<String>,
    /// The region. Spaces take any.
    pub region: String,
    /// The keys. `None`: requests are not signed, for public buckets.
    pub keys: Option<BucketKeys>,
}

/// The keys that requests are signed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketKeys {
    /// The name of the key.
    pub access_key_id: String,
    /// The key.
    pub secret_key: Secret,
    /// The token of a temporary key.
    pub session_token: Option<Secret>,
}

/// A request is repeated for as long as a query usually waits.
fn retries() -> RetryConfig {
    RetryConfig { max_retries: 3, retry_timeout: Duration::from_secs(30), ..RetryConfig::default() }
}

/// Makes the store of a bucket known to a runtime.
///
/// # Errors
/// [`Fault::Bucket`]
pub(super) fn register(runtime: &RuntimeEnv, bucket: &str, options: &BucketOptions) -> Result<(), Fault> {
    let failed = |why: String| Fault::Bucket { bucket: bucket.to_owned(), why };
    let mut builder =
        AmazonS3Builder::new().with_bucket_name(bucket).with_region(&options.region).with_retry(retries());
    if let Some(endpoint) = &options.endpoint {
        // Plain HTTP is for a service on this machine; the settings check that.
        builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
    }
    builder = match &options.keys {
        None => builder.with_skip_signature(true),
        Some(keys) => {
            let signed =
                builder.with_access_key_id(&keys.access_key_id).with_secret_access_key(keys.secret_key.expose());
            match &keys.session_token {
                Some(token) => signed.with_token(token.expose()),
                None => signed,
            }
        }
    };
    let store = builder.build().map_err(|error| failed(error.to_string()))?;
    let url = Url::parse(&format!("s3://{bucket}/")).map_err(|error| failed(error.to_string()))?;
    runtime.register_object_store(&url, Arc::new(store));
    Ok(())
}
