use crate::support::number;
use store::{Settings, Store, pool};
use testkit::Services;
use tokio::runtime::Handle;

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_as_strict_as_sslmode_says() {
    let own = tokio::task::spawn_blocking(|| Services::own(&[("PS_RMQ", "0"), ("PS_TLS", "1")]))
        .await
        .unwrap();
    let full = own.database_url();
    let (base, query) = full.split_once('?').unwrap();
    let client =
        query.split('&').filter(|pair| pair.starts_with("sslcert") || pair.starts_with("sslkey"));
    let client = client.collect::<Vec<_>>().join("&");
    let ca = query.split('&').find(|pair| pair.starts_with("sslrootcert")).unwrap();
    let (other_host, other_ca) =
        (base.replace("127.0.0.1", "127.0.0.2"), "sslrootcert=/etc/hostname");

    // the server insists on TLS and on a client certificate
    for (url, expected) in [
        (full.to_owned(), Ok(())),
        (format!("{base}?sslmode=require&{client}"), Ok(())),
        (format!("{base}?sslmode=prefer&{client}"), Ok(())),
        (format!("{base}?sslmode=verify-ca&{ca}&{client}"), Ok(())),
        (format!("{base}?sslmode=disable"), Err("no encryption")),
        (format!("{base}?sslmode=require"), Err("certificate")),
        (format!("{base}?sslmode=verify-full&{client}"), Err("UnknownIssuer")),
        (format!("{base}?sslmode=verify-full&{other_ca}&{client}"), Err("authority")),
        (format!("{other_host}?sslmode=verify-full&{ca}&{client}"), Err("")),
    ] {
        let store = Store::new(pool(&Settings::new(&url), Handle::current()).unwrap());
        match (store.get().await, expected) {
            (Ok(conn), Ok(())) => {
                drop(conn);
                let text = "select count(*) as number from pg_stat_ssl where ssl and pid = pg_backend_pid()";
                assert_eq!(number(&store, text).await, 1, "{query}");
            }
            (Err(failure), Err(reason)) => {
                let text = format!("{:#}", anyhow::Error::from(failure));
                assert!(text.contains(reason), "{reason}: {text}");
            }
            (Ok(_), Err(reason)) => panic!("let in in spite of: {reason}"),
            (Err(failure), Ok(())) => {
                panic!("{}: {:#}", url.rsplit('?').next().unwrap(), anyhow::Error::from(failure))
            }
        }
    }

    // the file given beside the URL counts as well
    let mut settings = Settings::new(format!("{base}?sslmode=verify-full&{client}"));
    settings.ca_file = Some(ca.split_once('=').unwrap().1.into());
    let store = Store::new(pool(&settings, Handle::current()).unwrap());
    assert!(store.is_up().await);
}
