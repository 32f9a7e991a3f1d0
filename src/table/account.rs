//! Accounts: a name, which is a catalog's, and the connection to an API. Plans have the name alone.

use std::sync::Arc;

use super::fault::Fault;
use super::list_lengths::ListLengths;
use super::short_lists::ShortLists;
use crate::api::Client;
use crate::resource::Registry;

/// One account of a provider. Its tables stand in the catalog of its name.
#[derive(Debug)]
pub struct Account {
    /// The catalog: `digitalocean`.
    pub name: String,
    /// Whose API it is: the first part of its resources' names.
    pub provider: String,
    /// What its API is asked with.
    pub client: Client,
    pub(super) totals: ListLengths,
    pub(super) findings: ShortLists,
}

impl Account {
    /// An account of DigitalOcean's, in the catalog of the provider's own name.
    pub fn digitalocean(client: Client) -> Self {
        let (totals, findings) = (ListLengths::default(), ShortLists::default());
        Self { name: PROVIDER.into(), provider: PROVIDER.into(), client, totals, findings }
    }

    /// The same, in another catalog.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self }
    }
}

/// The accounts of an engine: where a plan that runs finds the one that it names.
#[derive(Debug)]
pub struct Accounts(Vec<Arc<Account>>);

impl Accounts {
    /// These accounts, of which the first is the default.
    pub fn new(accounts: Vec<Account>) -> Self {
        Self(accounts.into_iter().map(Arc::new).collect())
    }

    /// All of them, the default one first.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Account>> {
        self.0.iter()
    }

    /// The name of the one that a statement means where it names none.
    pub fn default_name(&self) -> Option<&str> {
        self.0.first().map(|account| account.name.as_str())
    }

    /// The built-in resources, in each account's catalog.
    pub fn resources(&self) -> Registry {
        Registry::built_in().in_catalogs(self.iter().map(|own| (own.name.as_str(), own.provider.as_str())))
    }

    /// The account of a name.
    ///
    /// # Errors
    /// [`Fault::NoAccount`].
    pub(super) fn named(&self, name: &str) -> Result<&Arc<Account>, Fault> {
        self.iter().find(|account| account.name == name).ok_or_else(|| Fault::NoAccount { name: name.to_owned() })
    }
}

const PROVIDER: &str = "digitalocean";
