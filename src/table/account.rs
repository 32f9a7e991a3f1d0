//! Accounts: the name, which is also the name of a catalog, and the client of an API. Plans contain only the name.

use std::sync::Arc;

use super::fault::Fault;
use super::list_lengths::ListLengths;
use super::short_lists::ShortLists;
use crate::api::Client;
use crate::resource::Registry;

/// One account of a provider. Its tables are in the catalog of the same name.
#[derive(Debug)]
pub struct Account {
    /// The name of the account and its catalog: `digitalocean`.
    pub name: String,
    /// The provider of the API: the first part of the names of its resources.
    pub provider: String,
    /// The client of the account's API.
    pub client: Client,
    pub(super) list_lengths: ListLengths,
    pub(super) short_lists: ShortLists,
}

impl Account {
    /// An account of DigitalOcean, in the catalog with the provider's name.
    pub fn digitalocean(client: Client) -> Self {
        let (list_lengths, short_lists) = (ListLengths::default(), ShortLists::default());
        Self { name: PROVIDER.into(), provider: PROVIDER.into(), client, list_lengths, short_lists }
    }

    /// Returns the same account in another catalog.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self }
    }
}

/// The accounts of an engine. A running plan looks up the account that it names here.
#[derive(Debug)]
pub struct Accounts(Vec<Arc<Account>>);

impl Accounts {
    /// The first account is the default.
    pub fn new(accounts: Vec<Account>) -> Self {
        Self(accounts.into_iter().map(Arc::new).collect())
    }

    /// All accounts, the default one first.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Account>> {
        self.0.iter()
    }

    /// The name of the default account, which a statement means if it names no catalog.
    pub fn default_name(&self) -> Option<&str> {
        self.0.first().map(|account| account.name.as_str())
    }

    /// The built-in resources in the catalog of each account.
    pub fn resources(&self) -> Registry {
        Registry::built_in().in_catalogs(self.iter().map(|own| (own.name.as_str(), own.provider.as_str())))
    }

    /// Finds an account by its name.
    ///
    /// # Errors
    /// [`Fault::NoAccount`].
    pub(super) fn named(&self, name: &str) -> Result<&Arc<Account>, Fault> {
        self.iter().find(|account| account.name == name).ok_or_else(|| Fault::NoAccount { name: name.to_owned() })
    }
}

const PROVIDER: &str = "digitalocean";
