//! Reads answers of MIG's routes: Collection+JSON.

use super::{Api, Call};
use crate::exit::{Because, Failure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Document {
    collection: Collection,
}

#[derive(Deserialize)]
struct Collection {
    #[serde(default)]
    items: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    data: Vec<Datum>,
}

#[derive(Deserialize)]
struct Datum {
    name: String,
    value: Box<RawValue>,
}

impl Api {
    /// Sends a request that one of MIG's routes answers with one document.
    pub async fn mig_one<T: DeserializeOwned>(&self, call: &Call<'_>) -> Result<T, Failure> {
        let found = self.collection(call).await?.into_iter().next();
        let found = found.ok_or_else(|| Failure::new("the server's answer holds no document"))?;
        serde_json::from_str(found.value.get())
            .because(|| "the server's answer is not what this version expects".into())
    }

    /// Searches: gives the documents named `kind`; none when nothing was found.
    pub async fn mig_search(
        &self,
        kind: &str,
        query: &[(&str, String)],
    ) -> Result<Vec<Box<RawValue>>, Failure> {
        let path = ["api", "v1", "search"];
        let mut call = Call::get(&path).query("type", kind);
        for (name, value) in query {
            call = call.query(name, value);
        }
        let found = match self.collection(&call).await {
            // MIG's word for an empty list; its clients compare it
            Err(failure) if failure.what == "no results found" => return Ok(Vec::new()),
            found => found?,
        };
        let found = found.into_iter().filter(|datum| datum.name == kind);
        Ok(found.map(|datum| datum.value).collect())
    }

    async fn collection(&self, call: &Call<'_>) -> Result<Vec<Datum>, Failure> {
        let document: Document = self.send(call).await?.json()?;
        Ok(document.collection.items.into_iter().flat_map(|entry| entry.data).collect())
    }
}
