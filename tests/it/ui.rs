//! The stages are types: whoever skips one does not compile.

#[test]
fn stages_can_not_be_forged() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
