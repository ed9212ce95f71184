//! Where access lines go: standard output, or a file that can be moved away and opened anew. A disk that is full costs lines,
//! never requests, and is told of once in a while, not once a line.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use crate::model::event::Event;

/// What is wrong is told at most this often.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Where lines go.
pub struct Output {
    path: Option<PathBuf>,
    sink: Box<dyn Write + Send>,
    /// The sink ends within a line: the disk took a part of what it was given.
    torn: bool,
    trouble: Option<Trouble>,
}

/// Lines that could not be written since somebody was told.
struct Trouble {
    told: Instant,
    lost: u64,
}

impl Output {
    /// Appends to `file`, or writes to standard output.
    ///
    /// # Errors
    /// When the file cannot be opened for appending.
    pub fn open(file: Option<&Path>) -> io::Result<Self> {
        let sink: Box<dyn Write + Send> = match file {
            Some(path) => Box::new(appending(path)?),
            None => Box::new(io::stdout()),
        };
        Ok(Self { path: file.map(Into::into), sink, torn: false, trouble: None })
    }

    /// Opens the file of that name anew: whoever moved the old one away has all of its lines there. If that cannot be, lines go
    /// on into the old one.
    pub fn reopen(&mut self) {
        let Some(path) = &self.path else { return };
        let file = path.display();
        match appending(path) {
            Ok(sink) => {
                (self.sink, self.torn) = (Box::new(sink), false);
                info!(event = Event::LogReopened.name(), %file, "the access log was opened anew");
            }
            Err(fault) => {
                warn!(event = Event::LogFailing.name(), %file, %fault, "the access log cannot be opened anew; lines go on into the old file");
            }
        }
    }

    /// Writes whole lines, `count` of them, in one go.
    pub fn write(&mut self, lines: &[u8], count: u64) {
        match self.put(lines) {
            Ok(()) => self.recover(),
            Err(fault) => self.complain(&fault, count),
        }
    }

    fn put(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.torn {
            // The rest of that line is lost; the next one begins on a line of its own.
            self.sink.write_all(b"\n")?;
            self.torn = false;
        }
        let mut rest = lines;
        while !rest.is_empty() {
            match self.sink.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.torn = rest[written - 1] != b'\n';
                    rest = &rest[written..];
                }
                Err(fault) if fault.kind() == ErrorKind::Interrupted => {}
                Err(fault) => return Err(fault),
            }
        }
        self.sink.flush()
    }

    fn recover(&mut self) {
        if let Some(Trouble { lost, .. }) = self.trouble.take() {
            info!(event = Event::LogRecovered.name(), lost, "the access log can be written again");
        }
    }

    fn complain(&mut self, fault: &io::Error, count: u64) {
        let tell = || warn!(event = Event::LogFailing.name(), %fault, "the access log cannot be written; requests go on, their lines are lost");
        match &mut self.trouble {
            Some(trouble) => {
                trouble.lost += count;
                if trouble.told.elapsed() >= TELL_EVERY {
                    trouble.told = Instant::now();
                    tell();
                }
            }
            None => {
                self.trouble = Some(Trouble { told: Instant::now(), lost: count });
                tell();
            }
        }
    }

    /// Whether the last lines could not be written.
    pub fn is_failing(&self) -> bool {
        self.trouble.is_some()
    }
}

fn appending(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().create(true).append(true).mode(0o640).open(path)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A disk with room for so many bytes.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<(Vec<u8>, usize)>>);

    impl Disk {
        fn grow(&self, by: usize) {
            self.0.lock().expect("whole").1 += by;
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.lock().expect("whole").0.clone()).expect("ASCII")
        }
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let (held, room) = &mut *self.0.lock().expect("whole");
            let taken = bytes.len().min(*room);
            if taken == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            held.extend_from_slice(&bytes[..taken]);
            *room -= taken;
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The attack: filling the disk until a line is cut short, so that the next one seems to be its end.
    #[test]
    fn a_line_that_was_cut_short_does_not_swallow_the_next() {
        let disk = Disk::default();
        let mut output = Output { path: None, sink: Box::new(disk.clone()), torn: false, trouble: None };
        disk.grow(10);
        output.write(b"first\n", 1);
        output.write(b"second\n", 1);
        assert!(output.is_failing());
        output.write(b"third\n", 1);
        assert_eq!((disk.text().as_str(), output.trouble.as_ref().map(|trouble| trouble.lost)), ("first\nseco", Some(2)));
        disk.grow(100);
        output.write(b"fourth\n", 1);
        assert_eq!(disk.text(), "first\nseco\nfourth\n");
        assert!(!output.is_failing());
    }

    #[test]
    fn a_file_that_cannot_be_opened_anew_is_written_on() {
        let dir = tempfile::tempdir().expect("a folder");
        let (folder, away) = (dir.path().join("log"), dir.path().join("away"));
        std::fs::create_dir(&folder).expect("made");
        let mut output = Output::open(Some(&folder.join("a"))).expect("opens");
        output.write(b"1\n", 1);
        std::fs::rename(&folder, &away).expect("moved");
        output.reopen();
        output.write(b"2\n", 1);
        std::fs::create_dir(&folder).expect("made");
        output.reopen();
        output.write(b"3\n", 1);
        let text = |path: PathBuf| std::fs::read_to_string(path).expect("written");
        assert_eq!((text(away.join("a")).as_str(), text(folder.join("a")).as_str()), ("1\n2\n", "3\n"));
    }
}
