//! What the system says about this process. Where it says nothing, nothing is told.

use std::fs;

/// What the system says about this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Process {
    /// Memory in use, in bytes.
    pub resident: Option<u64>,
    /// Memory asked for, in bytes.
    pub virtual_size: Option<u64>,
    /// Open file descriptors.
    pub files: Option<u64>,
    /// The most there may be.
    pub most_files: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
}

impl Process {
    /// Asks the system. Reads files of the kernel's: for a thread that may wait.
    pub fn look() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        Self {
            resident: first_number(&status, "VmRSS:").map(|kib| kib * 1024),
            virtual_size: first_number(&status, "VmSize:").map(|kib| kib * 1024),
            files: fs::read_dir("/proc/self/fd").ok().map(|open| (open.count() as u64).saturating_sub(1)),
            most_files: first_number(&limits, "Max open files"),
            threads: first_number(&status, "Threads:"),
        }
    }
}

/// The number behind `name`, at the beginning of a line.
fn first_number(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_behind_their_names() {
        let text = "Name:\tx\nVmRSS:\t   1234 kB\nMax open files            1024                 524288               files\n";
        assert_eq!(first_number(text, "VmRSS:"), Some(1234));
        assert_eq!(first_number(text, "Max open files"), Some(1024));
        assert_eq!(first_number(text, "Threads:"), None);
    }
}
