//! A database for each test.

use crate::postgres;
use diesel::migration::MigrationSource;
use diesel_async::RunQueryDsl;
use diesel_migrations::EmbeddedMigrations;
use std::collections::BTreeSet;
use std::time::Duration;
use store::{Settings, Store, sql};
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use uuid::Uuid;

/// Is a fresh database; dropped with the value, but kept when the test fails, to be looked at.
pub struct Database {
    name: String,
    settings: Settings,
}

impl Database {
    /// Makes a database with `migrations`; `name` helps to recognise it.
    ///
    /// The first one of its kind in the process is migrated, the others are copied from it.
    pub async fn new(name: &str, migrations: Vec<EmbeddedMigrations>) -> Self {
        static TEMPLATES: Mutex<BTreeSet<String>> = Mutex::const_new(BTreeSet::new());
        let name = format!("{name}_{}", Uuid::now_v7().simple()).replace('-', "_");
        if migrations.is_empty() {
            admin(&format!("create database {name}")).await;
            return Self { settings: settings(&name), name };
        }
        let template = template_name(&migrations);
        let mut made = TEMPLATES.lock().await;
        if !made.contains(&template) {
            admin(&format!("create database {template}")).await;
            store::migrate(&settings(&template), migrations)
                .await
                .expect("the migrations do not run");
            made.insert(template.clone());
        }
        drop(made);
        admin(&format!("create database {name} template {template}")).await;
        Self { settings: settings(&name), name }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Gives its URL.
    pub fn url(&self) -> &str {
        &self.settings.url
    }

    /// Gives settings for a small pool on it.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Opens a small pool on it, driven by the runtime of the caller.
    pub fn store(&self) -> Store {
        Store::new(store::pool(&self.settings, Handle::current()).expect("no pool"))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let statement = format!("drop database if exists {} with (force)", self.name);
        on_its_own(async move { admin(&statement).await });
    }
}

/// Runs `work` to its end beside the runtime that may be ending; a failure only leaves something behind.
pub(crate) fn on_its_own(work: impl Future<Output = ()> + Send + 'static) {
    let thread = std::thread::spawn(|| {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("no runtime");
        let _late =
            runtime.block_on(async { tokio::time::timeout(Duration::from_secs(5), work).await });
    });
    let _panicked = thread.join();
}

fn settings(database: &str) -> Settings {
    let admin = postgres().database_url();
    let (base, query) =
        admin.split_once('?').map_or((admin, String::new()), |(b, q)| (b, format!("?{q}")));
    let server = base.rsplit_once('/').expect("a database in the URL").0;
    let mut settings = Settings::new(format!("{server}/{database}{query}"));
    settings.max_size = 4;
    settings
}

/// Runs one statement as the user who may do all; again while the template is still in use by its migration's last
/// gasp.
async fn admin(statement: &str) {
    let pool = store::pool(&settings("postgres"), Handle::current()).expect("no pool");
    let mut tries = 0;
    loop {
        let mut conn = pool.get().await.expect("no connection");
        match sql(statement).execute(&mut conn).await {
            Ok(_) => return,
            Err(error)
                if tries < 100 && error.to_string().contains("being accessed by other users") =>
            {
                tries += 1;
            }
            Err(error) => panic!("{statement}: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Names the template after the process and the migrations in it.
fn template_name(migrations: &[EmbeddedMigrations]) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    for source in migrations {
        let list =
            MigrationSource::<diesel::pg::Pg>::migrations(source).expect("broken migrations");
        for migration in list {
            migration.name().to_string().hash(&mut hasher);
        }
    }
    format!("template_{}_{:x}", std::process::id(), hasher.finish())
}
