//! Who vouches for a plugin: signatures over its hash.

use super::schema::plugin_signature;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use std::collections::BTreeMap;
use store::Conn;
use time::OffsetDateTime;
use types::PluginId;
use uuid::Uuid;

/// Is a signature to store.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = plugin_signature)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub(crate) struct NewSignature {
    /// The plugin.
    pub plugin: Uuid,
    /// The signer's primary key, upper-case hex.
    pub fingerprint: String,
    /// The signer.
    pub investigator: i64,
    /// The signature, as one line.
    pub signature: String,
    /// When it came.
    pub added: OffsetDateTime,
}

/// Stores signatures; one by a key that signed before changes nothing.
pub(crate) async fn signatures_insert(
    conn: &mut Conn,
    signatures: &[NewSignature],
) -> QueryResult<usize> {
    diesel::insert_into(plugin_signature::table)
        .values(signatures)
        .on_conflict_do_nothing()
        .execute(conn)
        .await
}

/// Gives the signatures of these plugins with the keys that made them, oldest first.
pub(crate) async fn signatures_of(
    conn: &mut Conn,
    plugins: &[PluginId],
) -> QueryResult<BTreeMap<PluginId, Vec<(String, String)>>> {
    let rows: Vec<(Uuid, String, String)> = plugin_signature::table
        .filter(plugin_signature::plugin.eq_any(plugins.iter().map(|plugin| plugin.0)))
        .order((plugin_signature::added, plugin_signature::fingerprint))
        .select((
            plugin_signature::plugin,
            plugin_signature::fingerprint,
            plugin_signature::signature,
        ))
        .load(conn)
        .await?;
    let mut signatures = BTreeMap::<_, Vec<_>>::new();
    for (plugin, fingerprint, signature) in rows {
        signatures.entry(PluginId(plugin)).or_default().push((fingerprint, signature));
    }
    Ok(signatures)
}
