//! A new file of the page must be built in: the macro that does so is not asked again by itself.

fn main() {
    println!("cargo:rerun-if-changed=src/command/dashboard/assets");
}
