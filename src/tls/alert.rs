//! The one alert we write ourselves.

/// A fatal `unrecognized_name` as a whole plaintext record, for a ClientHello that names no host of ours (RFC 6066
/// section 3). Type alert (21), legacy version 3.3, length 2, level fatal (2), description 112 (RFC 8446 sections 5.1
/// and 6). No key is agreed on yet, so plaintext is what the client expects.
///
/// Written by hand because rustls 0.23 offers no way to refuse after a ClientHello it could read: a resolver without a
/// certificate makes it send `access_denied`, which browsers show as if a login had failed.
pub const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];
