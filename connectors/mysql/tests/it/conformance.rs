//! What every connector must show, on both products.

mod mariadb {
    use crate::fixture::MyFixture;

    forgetd_testkit::conformance!(MyFixture::mariadb());
}

mod mysql {
    use crate::fixture::MyFixture;

    forgetd_testkit::conformance!(MyFixture::mysql());
}
