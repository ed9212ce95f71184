//! Real handshakes against the directory, over pipes in memory.
