//! One message to a name server and its answer.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{interval, timeout};

use crate::dns::fault::Fault;

/// Until a connection stands, which takes one round trip.
const CONNECTING: Duration = Duration::from_secs(3);
/// Until the whole answer is there.
const ANSWERING: Duration = Duration::from_secs(5);
/// Until a question is asked over UDP as well, because no connection stands: some resolvers drop those without a word. A resolver is near.
const PATIENCE: Duration = Duration::from_millis(250);
/// Until a packet is sent once more, which may have been lost.
const AGAIN: Duration = Duration::from_secs(1);
/// Largest answer in one packet that is not torn on the way (RFC 9715).
const PACKET: usize = 1_400;
/// What stands before the question (RFC 1035 section 4.1.1).
const HEADER: usize = 12;

/// Sends a message over TCP, which needs a path in both directions and so cannot be answered by a stranger who guesses, and whose
/// answers are whole. Over UDP if it is a question that `falls_back`, where nobody listens for TCP or no connection comes about soon.
///
/// # Errors
/// [`Fault::Unreachable`], [`Fault::Silent`], [`Fault::Garbled`].
pub async fn exchange(server: SocketAddr, message: &[u8], falls_back: bool) -> Result<Vec<u8>, Fault> {
    let connecting = connect(server);
    tokio::pin!(connecting);
    if !falls_back {
        return whole(connecting.await?, message).await;
    }
    match timeout(PATIENCE, &mut connecting).await {
        Ok(Ok(stream)) => whole(stream, message).await,
        Ok(Err(fault)) if fault.has_no_way() => Err(fault),
        Ok(Err(fault)) => over_udp(server, message).await.map_err(|_| fault),
        Err(_) => tokio::select! {
            Ok(stream) = connecting => whole(stream, message).await,
            Ok(answer) = over_udp(server, message) => Ok(answer),
            else => Err(Fault::Silent),
        },
    }
}

async fn connect(server: SocketAddr) -> Result<TcpStream, Fault> {
    timeout(CONNECTING, TcpStream::connect(server)).await.map_err(|_| Fault::Silent)?.map_err(Fault::Unreachable)
}

async fn whole(stream: TcpStream, message: &[u8]) -> Result<Vec<u8>, Fault> {
    timeout(ANSWERING, over_tcp(stream, message)).await.unwrap_or(Err(Fault::Silent))
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

/// From a port that the system draws, so that whoever guesses has to guess that, too.
async fn over_udp(server: SocketAddr, message: &[u8]) -> Result<Vec<u8>, Fault> {
    let any: SocketAddr = if server.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let asked = async {
        let socket = UdpSocket::bind(any).await?;
        // The system drops what comes from elsewhere.
        socket.connect(server).await?;
        let (mut answer, mut again) = (vec![0; PACKET], interval(AGAIN));
        loop {
            tokio::select! {
                _ = again.tick() => drop(socket.send(message).await?),
                count = socket.recv(&mut answer) => {
                    let count = count?;
                    // Whoever guesses gets nothing for a wrong guess, not even the end of the waiting.
                    if answers(&answer[..count], message) {
                        answer.truncate(count);
                        return Ok(answer);
                    }
                }
            }
        }
    };
    timeout(CONNECTING, asked).await.map_err(|_| Fault::Silent)?.map_err(Fault::Unreachable)
}

/// Whether a packet is a whole answer to that very question: it has its number, and says it again. One that is cut off (TC) is none.
fn answers(packet: &[u8], message: &[u8]) -> bool {
    let (Some((head, rest)), Some((asked, question))) = (packet.split_at_checked(HEADER), message.split_at_checked(HEADER))
    else {
        return false;
    };
    let (is_response, is_cut) = (head[2] & 0x80 != 0, head[2] & 0x02 != 0);
    // Some servers change the case of names.
    let same = rest.get(..question.len()).is_some_and(|repeated| repeated.eq_ignore_ascii_case(question));
    head[..2] == asked[..2] && is_response && !is_cut && same
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::time::pause;

    use super::*;
    use crate::dns::ask::{Asker, Found, Kind};
    use crate::dns::kit::Server;

    /// The attack: packets by somebody who guesses, before the true answer: of another number, to another question, cut off, no answer.
    #[tokio::test]
    async fn a_resolver_that_drops_connections_is_asked_over_udp_soon_and_nobody_else_is_believed() {
        let server = Server::without_tcp(&["a.example TXT true"]).await;
        let asker = Asker { servers: vec![server.address], recursive: true };
        let began = Instant::now();
        let answer = asker.ask("a.example", Kind::Txt).await.expect("an answer");
        assert_eq!(answer.found, [Found::Words(b"true".to_vec())]);
        let took = began.elapsed();
        assert!(took >= PATIENCE && took < CONNECTING, "{took:?}");
    }

    #[tokio::test]
    async fn changes_never_go_over_udp() {
        let server = Server::without_tcp(&[]).await;
        pause();
        let fault = exchange(server.address, &[0; HEADER], false).await.expect_err("nobody");
        assert!(matches!(fault, Fault::Silent), "{fault:?}");
    }

    #[test]
    fn only_a_whole_answer_to_the_question_is_one() {
        let asked = [&[1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], b"\x01a\x00\x00\x10\x00\x01"].concat();
        let mut honest = asked.clone();
        honest[2] = 0x81;
        assert!(answers(&honest, &asked) && answers(&honest.to_ascii_uppercase(), &asked));
        for (at, byte) in [(0, 9), (1, 9), (2, 0x01), (2, 0x83), (13, b'b'), (16, 1)] {
            let mut other = honest.clone();
            other[at] = byte;
            assert!(!answers(&other, &asked), "{at}");
        }
        for length in 0..honest.len() {
            assert!(!answers(&honest[..length], &asked), "{length}");
        }
    }
}
