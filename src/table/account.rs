//! An account: a name, which is its catalog's, and the connection to its API.

use std::sync::Arc;

use super::findings::Findings;
use super::totals::Totals;
use crate::api::Client;
use crate::resource::{Registry, Resource};

/// One account of a provider. Its tables stand in the catalog of its name.
#[derive(Debug)]
pub struct Account {
    /// The catalog: `digitalocean`.
    pub name: String,
    /// Whose API it is: the first part of its resources' names.
    pub provider: String,
    /// What its API is asked with.
    pub client: Client,
    pub(super) totals: Totals,
    pub(super) findings: Findings,
}

impl Account {
    /// An account of DigitalOcean's, in the catalog of the provider's own name.
    pub fn digitalocean(client: Client) -> Self {
        let (totals, findings) = (Totals::default(), Findings::default());
        Self { name: PROVIDER.into(), provider: PROVIDER.into(), client, totals, findings }
    }

    /// The same, in another catalog.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self }
    }

    /// The resources of these accounts, each in its own catalog.
    pub fn resources(accounts: &[Arc<Self>]) -> Registry {
        Registry::built_in().in_catalogs(accounts.iter().map(|own| (own.name.as_str(), own.provider.as_str())))
    }

    /// The account that a resource is shown in.
    pub(super) fn of<'a>(accounts: &'a [Arc<Self>], resource: &Resource) -> Option<&'a Arc<Self>> {
        accounts.iter().find(|account| account.name == resource.catalog)
    }
}

const PROVIDER: &str = "digitalocean";
