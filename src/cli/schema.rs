//! `forgetd schema`: the JSON Schema of a configuration file, for editors and reviews.

/// Prints it.
pub fn run() -> u8 {
    super::print(crate::config::schema().trim_end());
    0
}
