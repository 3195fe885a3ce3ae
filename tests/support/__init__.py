"""What tests are built from: real backends that record, fail and lie."""
