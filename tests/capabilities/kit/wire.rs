//! Bytes, for what no client library would send.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::kit::gateway::{HOST, Reach, within};

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A connection on which anything can be written.
pub struct Wire {
    stream: Box<dyn Stream>,
}

impl Wire {
    /// Inside TLS, as an HTTP/1.1 client of the first app.
    pub async fn open(reach: &Reach) -> Self {
        Self { stream: Box::new(Self::shake(reach, HOST, &[b"http/1.1"]).await.expect("a handshake")) }
    }

    /// Over a stream that is there already.
    pub fn over(stream: TlsStream<TcpStream>) -> Self {
        Self { stream: Box::new(stream) }
    }

    /// Inside TLS, with this name and these protocols; the fault if the gateway does not agree.
    pub async fn shake(reach: &Reach, name: &str, alpn: &[&[u8]]) -> io::Result<TlsStream<TcpStream>> {
        let connector = TlsConnector::from(Arc::new(reach.tls(alpn)));
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let stream = TcpStream::connect(reach.https).await?;
        stream.set_nodelay(true)?;
        within("the handshake", connector.connect(name, stream)).await
    }

    /// Without TLS.
    pub async fn plain(address: SocketAddr) -> Self {
        Self { stream: Box::new(TcpStream::connect(address).await.expect("a connection")) }
    }

    /// Writes; a connection closed meanwhile is no fault of the test.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        within("writing", async {
            self.stream.write_all(bytes.as_ref()).await?;
            self.stream.flush().await
        })
        .await
    }

    /// Says that nothing more will be written.
    pub async fn finish(&mut self) {
        // It may be closed already.
        let _ = within("closing", self.stream.shutdown()).await;
    }

    /// Everything until the gateway closes.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        let mut piece = vec![0; 16 * 1024];
        loop {
            match within("the end of the connection", self.stream.read(&mut piece)).await {
                Ok(0) | Err(_) => return all,
                Ok(read) => all.extend_from_slice(&piece[..read]),
            }
        }
    }

    /// Reads until `mark` has come; all that was read, which may end without it if the gateway closes.
    pub async fn until(&mut self, mark: &[u8]) -> Vec<u8> {
        let mut all = Vec::new();
        while !all.windows(mark.len()).any(|window| window == mark) {
            let mut byte = [0];
            match within("more bytes", self.stream.read(&mut byte)).await {
                Ok(0) | Err(_) => break,
                Ok(_) => all.push(byte[0]),
            }
        }
        all
    }

    /// The statuses of so many answers, or of fewer if the gateway closes before.
    pub async fn answers(&mut self, count: usize) -> Vec<u16> {
        let mut all = Vec::new();
        while statuses(&all).len() < count {
            let more = self.until(b"\r\n\r\n").await;
            if more.is_empty() {
                break;
            }
            all.extend(more);
        }
        statuses(&all)
    }

    /// Reads exactly so many bytes; `None` if the gateway closes before.
    pub async fn some(&mut self, count: usize) -> Option<Vec<u8>> {
        let mut all = vec![0; count];
        within("bytes", self.stream.read_exact(&mut all)).await.ok().map(|_| all)
    }
}

/// The status codes of all answers in a stream of HTTP/1 bytes.
pub fn statuses(bytes: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(bytes);
    let answers = text.match_indices("HTTP/1.").filter_map(|(at, _)| text.get(at + 9..at + 12)?.parse().ok());
    answers.collect()
}
