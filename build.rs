//! A new migration is in no file that the compiler read before: without this, an incremental build would leave it out.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
