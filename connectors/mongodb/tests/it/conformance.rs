//! What every connector must show that keeps documents.

use crate::fixture::MongoFixture;

forgetd_testkit::conformance_of_documents!(MongoFixture);
