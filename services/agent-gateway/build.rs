//! Migrations are embedded: a new file alone must cause a new build.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
