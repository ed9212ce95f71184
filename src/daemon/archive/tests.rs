//! Tests of the format: what is written is read back, and what is not whole is refused.
