//! Proofs of identity without I/O: tokens, passwords, codes from authenticator apps, passkeys, recovery codes, how long to wait
//! after failures, and the tokens that tie a form to the browser it was shown in. Time and chance come in as arguments; nothing is stored here.

pub mod form;
pub mod guessable;
pub mod make;
pub mod passkey;
pub mod passphrase;
pub mod password;
pub mod recovery;
pub mod source;
pub mod throttle;
pub mod token;
pub mod totp;
