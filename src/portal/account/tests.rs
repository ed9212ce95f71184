//! What people do on their security pages, and what attackers try there instead.
