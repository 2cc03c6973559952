//! User and password of a URL, when they come in files of their own: what a secret store mounts need not be escaped.

use anyhow::Context;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::path::{Path, PathBuf};

/// Takes a secret as it is given, or from its file.
pub fn secret(given: Option<&str>, file: Option<&Path>) -> anyhow::Result<Option<String>> {
    let Some(file) = file else {
        return Ok(given.map(ToOwned::to_owned));
    };
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("the secret file {} cannot be read", file.display()))?;
    Ok(Some(text.trim().to_owned()))
}

/// Puts what the files say into `url`, in place of what stands there.
pub(crate) fn put(
    url: String,
    user: Option<&PathBuf>,
    password: Option<&PathBuf>,
) -> anyhow::Result<String> {
    let user = secret(None, user.map(PathBuf::as_path))?;
    let password = secret(None, password.map(PathBuf::as_path))?;
    if user.is_none() && password.is_none() {
        return Ok(url);
    }
    let (scheme, rest) = url.split_once("://").context("the URL has no scheme")?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (given, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (old_user, old_password) = given.split_once(':').unwrap_or((given, ""));
    let escape = |text: String| utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string();
    let user = user.map_or_else(|| old_user.to_owned(), escape);
    let password = password.map_or_else(|| old_password.to_owned(), escape);
    Ok(format!("{scheme}://{user}:{password}@{host}{path}"))
}

#[cfg(test)]
mod tests {
    use super::put;
    use std::path::PathBuf;

    #[test]
    fn files_stand_above_the_url() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| -> PathBuf {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let (user, password) = (file("user", "app\n"), file("password", "p@ss/w?rd\n"));
        let url = "postgres://db:5432/writ?sslmode=verify-full".to_owned();
        assert_eq!(
            put(url.clone(), Some(&user), Some(&password)).unwrap(),
            "postgres://app:p%40ss%2Fw%3Frd@db:5432/writ?sslmode=verify-full"
        );
        assert_eq!(put(url.clone(), None, None).unwrap(), url);
        let other = "amqps://old:secret@broker?heartbeat=5".to_owned();
        assert_eq!(
            put(other.clone(), None, Some(&password)).unwrap(),
            "amqps://old:p%40ss%2Fw%3Frd@broker?heartbeat=5"
        );
        let missing = folder.path().join("none");
        let error = put(other, Some(&missing), None).unwrap_err().to_string();
        assert!(error.contains("none") && !error.contains("secret@"), "{error}");
    }
}
