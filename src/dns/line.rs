//! One message to a name server and its answer.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::dns::fault::Fault;

/// Until a connection stands, which takes one round trip.
const CONNECTING: Duration = Duration::from_secs(3);
/// Until the whole answer is there.
const ANSWERING: Duration = Duration::from_secs(5);
/// Largest answer in one packet that is not torn on the way (RFC 9715).
const PACKET: usize = 1_400;

/// Sends a message over TCP, which needs a path in both directions and so cannot be answered by a stranger who guesses, and whose
/// answers are whole. Where nobody listens for that, over UDP if `falls_back`.
///
/// # Errors
/// [`Fault::Unreachable`], [`Fault::Silent`], [`Fault::Garbled`].
pub async fn exchange(server: SocketAddr, message: &[u8], falls_back: bool) -> Result<Vec<u8>, Fault> {
    let connected = match timeout(CONNECTING, TcpStream::connect(server)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(fault)) => Err(Fault::Unreachable(fault)),
        Err(_) => Err(Fault::Silent),
    };
    match connected {
        Ok(stream) => timeout(ANSWERING, over_tcp(stream, message)).await.unwrap_or(Err(Fault::Silent)),
        Err(fault) if falls_back && !fault.has_no_way() => match timeout(CONNECTING, over_udp(server, message)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) | Err(_) => Err(fault),
        },
        Err(fault) => Err(fault),
    }
}

/// RFC 1035 section 4.2.2: two bytes of length, then the message. So it is bounded by what two bytes can say.
async fn over_tcp(mut stream: TcpStream, message: &[u8]) -> Result<Vec<u8>, Fault> {
    let length = u16::try_from(message.len()).map_err(|_| Fault::Unwritable("a message of that length".to_owned()))?;
    let framed = [&length.to_be_bytes()[..], message].concat();
    let broken = |fault: io::Error| match fault.kind() {
        io::ErrorKind::UnexpectedEof => Fault::Silent,
        _ => Fault::Unreachable(fault),
    };
    stream.write_all(&framed).await.map_err(broken)?;
    let length = stream.read_u16().await.map_err(broken)?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await.map_err(broken)?;
    Ok(answer)
}

async fn over_udp(server: SocketAddr, message: &[u8]) -> Result<Vec<u8>, Fault> {
    let any: SocketAddr = if server.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(any).await.map_err(Fault::Unreachable)?;
    socket.connect(server).await.map_err(Fault::Unreachable)?;
    socket.send(message).await.map_err(Fault::Unreachable)?;
    let mut answer = vec![0; PACKET];
    loop {
        let count = socket.recv(&mut answer).await.map_err(Fault::Unreachable)?;
        // Whoever guesses gets nothing for a wrong guess, not even the end of the waiting.
        if answer[..count].starts_with(&message[..2.min(message.len())]) {
            answer.truncate(count);
            return Ok(answer);
        }
    }
}
