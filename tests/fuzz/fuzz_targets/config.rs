#![no_main]

#[path = "../checks.rs"]
#[allow(dead_code, reason = "the other targets' checks")]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::config(bytes, &folder()));

/// A folder of this process, in memory where there is such a place.
fn folder() -> std::path::PathBuf {
    let shared = std::path::Path::new("/dev/shm");
    let parent = if shared.is_dir() { shared.to_path_buf() } else { std::env::temp_dir() };
    let folder = parent.join(format!("forgetd-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    folder
}
