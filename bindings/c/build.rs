//! The build: gives the shared library its SONAME, by which programs that were linked with it find it.
//! The number counts incompatible changes of the C interface.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libmediacask.so.0");
}
