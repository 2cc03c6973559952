//! Pages by key: a cursor says after which row the next page begins, so that a page costs the same however far it is.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// No honest cursor is longer.
const MAX_LENGTH: usize = 1024;

/// Says why a cursor is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    /// It is not one that this service gave out for this list.
    #[error("the cursor is not one that this list gave out; leave it out to start over")]
    Foreign,
    /// The key cannot be written; a fault of ours.
    #[error("the cursor cannot be written")]
    Unwritable,
}

/// Writes the key of a page's last row as an opaque cursor.
pub fn encode<K: Serialize>(key: &K) -> Result<String, CursorError> {
    let json = serde_json::to_vec(key).map_err(|_json| CursorError::Unwritable)?;
    let text = URL_SAFE_NO_PAD.encode(json);
    if text.len() > MAX_LENGTH { Err(CursorError::Unwritable) } else { Ok(text) }
}

/// Reads a cursor back.
pub fn decode<K: DeserializeOwned>(cursor: &str) -> Result<K, CursorError> {
    if cursor.len() > MAX_LENGTH {
        return Err(CursorError::Foreign);
    }
    let json = URL_SAFE_NO_PAD.decode(cursor).map_err(|_base64| CursorError::Foreign)?;
    serde_json::from_slice(&json).map_err(|_json| CursorError::Foreign)
}

/// Cuts `rows`, asked for with `limit + 1`, to `limit`, and gives the cursor of the next page when there is one.
pub fn cut<R, K: Serialize>(
    mut rows: Vec<R>,
    limit: usize,
    key: impl FnOnce(&R) -> K,
) -> Result<(Vec<R>, Option<String>), CursorError> {
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = match rows.last() {
        Some(last) if more => Some(encode(&key(last))?),
        _ => None,
    };
    Ok((rows, next))
}

#[cfg(test)]
mod tests {
    use super::{CursorError, cut, decode, encode};

    #[test]
    fn a_cursor_comes_back_as_it_went() {
        let cursor = encode(&("a/b", 7_i64)).unwrap();
        assert!(cursor.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        assert_eq!(decode(&cursor), Ok(("a/b".to_owned(), 7_i64)));
    }

    #[test]
    fn a_foreign_cursor_is_refused() {
        for cursor in ["", "%%", "e30", "WzFd", &"a".repeat(5000)] {
            assert_eq!(decode::<(String, i64)>(cursor), Err(CursorError::Foreign), "{cursor}");
        }
    }

    #[test]
    fn a_next_page_is_named_only_when_there_is_one() {
        let page = |rows: Vec<i64>| cut(rows, 2, |row| *row).unwrap();
        assert_eq!(page(vec![1, 2]), (vec![1, 2], None));
        let (rows, next) = page(vec![1, 2, 3]);
        assert_eq!(rows, [1, 2]);
        assert_eq!(decode::<i64>(&next.unwrap()), Ok(2));
    }
}
