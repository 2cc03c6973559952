//! Makes a new migration seen: they are embedded at compile time.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
