//! Old values that the server keeps beside the collection.

use forgetd_connector::{Finding, Notice};
use mongodb::bson::Document;

use crate::codec::Fields as _;

pub(super) fn check(options: &Document, place: &str) -> Option<Finding> {
    let images = options.get_document("changeStreamPreAndPostImages").ok()?;
    images.is_true("enabled").then(|| {
        Finding::warns(
            Notice::ImagesKept,
            place,
            "the server keeps documents as they were before a change for its change streams: what is deleted or written over \
             stays there until they expire",
            "set `expireAfterSeconds` of changeStreamOptions, or switch changeStreamPreAndPostImages off",
        )
    })
}
