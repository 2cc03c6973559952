//! Every migration can be undone and done again.

use crate::support::gateway;
use diesel_async::SimpleAsyncConnection;
use std::path::Path;

#[tokio::test(flavor = "multi_thread")]
async fn down_undoes_up() {
    let gateway = gateway().await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut steps: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    steps.sort();
    assert!(steps.len() > 7, "{steps:?}");
    let mut conn = gateway.database.store().get().await.unwrap();
    for _ in 0..2 {
        for step in steps.iter().rev() {
            let down = std::fs::read_to_string(step.join("down.sql")).unwrap();
            conn.batch_execute(&down)
                .await
                .unwrap_or_else(|error| panic!("{}: {error}", step.display()));
        }
        let left =
            "pg_class where relnamespace = 'public'::regnamespace and relname not like '%diesel%'";
        assert_eq!(gateway.count(left).await, 0);
        for step in &steps {
            let up = std::fs::read_to_string(step.join("up.sql")).unwrap();
            conn.batch_execute(&up)
                .await
                .unwrap_or_else(|error| panic!("{}: {error}", step.display()));
        }
    }
}
