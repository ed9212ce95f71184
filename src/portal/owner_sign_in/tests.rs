//! Signing in as the owner.
