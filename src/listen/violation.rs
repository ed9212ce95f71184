//! Why a byte stream was refused: the closed list, with the answer each refusal gets.

use http::StatusCode;

use crate::base::id::Id;

/// What was wrong with the bytes a client sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Violation {
    /// More than one empty line before a request line.
    EmptyLines,
    /// A line ended in LF without CR.
    BareLf,
    /// A CR that is not part of a line end.
    BareCr,
    /// NUL or another control character in a field value.
    Control,
    /// The first line is not `method SP target SP version`.
    RequestLine,
    /// The method is not a token of at most 32 bytes.
    Method,
    /// `CONNECT`: there is no tunnel here.
    Connect,
    /// A byte in the target that is not visible ASCII.
    TargetByte,
    /// `#` in the target.
    Fragment,
    /// The target is neither a path, nor `http(s)://…`, nor the `*` of `OPTIONS`.
    TargetForm,
    /// The target, or the line around it, is too long.
    TargetTooLong,
    /// A version other than HTTP/1.0 and HTTP/1.1, the HTTP/2 preface included.
    Version,
    /// A header line that goes on in the next line.
    ObsFold,
    /// A header line without a colon.
    NoColon,
    /// A header line that begins with its colon.
    EmptyName,
    /// White space between a header name and its colon.
    SpaceBeforeColon,
    /// A header name that is not a token.
    BadName,
    /// More header lines than allowed.
    TooManyFields,
    /// A head larger than allowed.
    HeadTooLarge,
    /// No `Host`.
    NoHost,
    /// More than one `Host`.
    ManyHosts,
    /// A `Host` that is empty, a list, or not visible ASCII.
    BadHost,
    /// `Content-Length` is not a plain decimal number.
    BadLength,
    /// More than one `Content-Length` line.
    ManyLengths,
    /// `Transfer-Encoding` is not exactly `chunked`.
    BadCoding,
    /// More than one `Transfer-Encoding` line.
    ManyCodings,
    /// `Transfer-Encoding` in an HTTP/1.0 request.
    CodingInOldVersion,
    /// `Content-Length` beside `Transfer-Encoding`.
    LengthAndCoding,
    /// A request that asks for an upgrade and carries a body.
    UpgradeWithBody,
    /// A chunk size that is not 1 to 16 hexadecimal digits.
    ChunkSize,
    /// A chunk extension with characters that cannot be in one.
    ChunkExtension,
    /// More chunk extensions in one body than allowed.
    ChunkExtensionsTooLong,
    /// A chunk size or chunk data not followed by CRLF.
    ChunkEnd,
    /// A trailer field that must not come after the body.
    ForbiddenTrailer,
    /// Trailers larger than allowed.
    TrailersTooLarge,
    /// The head did not arrive in time.
    HeadTimeout,
    /// The body came too slowly.
    BodyTimeout,
}

/// Name for logs and sentence for the client.
type Words = (&'static str, &'static str);

impl Violation {
    /// Short name, for logs and tests.
    pub fn name(self) -> &'static str {
        self.words().0
    }

    /// One sentence for the person who sent it.
    pub fn sentence(self) -> &'static str {
        self.words().1
    }

    /// The status that answers it.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Connect => StatusCode::METHOD_NOT_ALLOWED,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::TooManyFields | Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::HeadTimeout | Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::EmptyLines
            | Self::BareLf
            | Self::BareCr
            | Self::Control
            | Self::RequestLine
            | Self::Method
            | Self::TargetByte
            | Self::Fragment
            | Self::TargetForm
            | Self::ObsFold
            | Self::NoColon
            | Self::EmptyName
            | Self::SpaceBeforeColon
            | Self::BadName
            | Self::NoHost
            | Self::ManyHosts
            | Self::BadHost
            | Self::BadLength
            | Self::ManyLengths
            | Self::BadCoding
            | Self::ManyCodings
            | Self::CodingInOldVersion
            | Self::LengthAndCoding
            | Self::UpgradeWithBody
            | Self::ChunkSize
            | Self::ChunkExtension
            | Self::ChunkExtensionsTooLong
            | Self::ChunkEnd
            | Self::ForbiddenTrailer
            | Self::TrailersTooLarge => StatusCode::BAD_REQUEST,
        }
    }

    /// The whole HTTP/1.1 answer, after which the connection closes. `id` is what the client can quote and the log knows.
    pub fn answer(self, id: Id<Self>) -> Vec<u8> {
        let (status, sentence) = (self.status(), self.sentence());
        let allow = if self == Self::Connect { "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n" } else { "" };
        format!(
            "HTTP/1.1 {} {}\r\n{allow}Connection: close\r\nX-Request-Id: {id}\r\nCache-Control: no-store\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Length: {}\r\n\r\n{sentence}\n",
            status.as_str(),
            status.canonical_reason().unwrap_or("Refused"),
            sentence.len() + 1,
        )
        .into_bytes()
    }

    fn words(self) -> Words {
        match self {
            Self::EmptyLines => ("empty-lines", "More than one empty line stands before the request line."),
            Self::BareLf => ("bare-lf", "A line ends without a carriage return."),
            Self::BareCr => ("bare-cr", "A carriage return stands inside a line."),
            Self::Control => ("control", "A header value contains a control character."),
            Self::RequestLine => ("request-line", "The request line is malformed."),
            Self::Method => ("method", "The method is malformed."),
            Self::Connect => ("connect", "CONNECT is not offered here."),
            Self::TargetByte => ("target-byte", "The request target contains a character that must be encoded."),
            Self::Fragment => ("fragment", "The request target contains a fragment."),
            Self::TargetForm => ("target-form", "The request target is not a path."),
            Self::TargetTooLong => ("target-too-long", "The request target is too long."),
            Self::Version => ("version", "Only HTTP/1.0 and HTTP/1.1 are spoken on this connection."),
            Self::ObsFold => ("obs-fold", "A header line is folded."),
            Self::NoColon => ("no-colon", "A header line has no colon."),
            Self::EmptyName => ("empty-name", "A header line has no name."),
            Self::SpaceBeforeColon => ("space-before-colon", "A header name is followed by white space."),
            Self::BadName => ("bad-name", "A header name is malformed."),
            Self::TooManyFields => ("too-many-fields", "The request has too many header lines."),
            Self::HeadTooLarge => ("head-too-large", "The request head is too large."),
            Self::NoHost => ("no-host", "The Host header is missing."),
            Self::ManyHosts => ("many-hosts", "There is more than one Host header."),
            Self::BadHost => ("bad-host", "The Host header is malformed."),
            Self::BadLength => ("bad-length", "The Content-Length header is malformed."),
            Self::ManyLengths => ("many-lengths", "There is more than one Content-Length header."),
            Self::BadCoding => ("bad-coding", "The only transfer coding accepted is chunked."),
            Self::ManyCodings => ("many-codings", "There is more than one Transfer-Encoding header."),
            Self::CodingInOldVersion => ("coding-in-old-version", "HTTP/1.0 has no Transfer-Encoding."),
            Self::LengthAndCoding => ("length-and-coding", "The request has both Content-Length and Transfer-Encoding."),
            Self::UpgradeWithBody => ("upgrade-with-body", "A request for an upgrade must not have a body."),
            Self::ChunkSize => ("chunk-size", "A chunk size is malformed."),
            Self::ChunkExtension => ("chunk-extension", "A chunk extension is malformed."),
            Self::ChunkExtensionsTooLong => ("chunk-extensions-too-long", "The chunk extensions are too long."),
            Self::ChunkEnd => ("chunk-end", "A chunk does not end where it should."),
            Self::ForbiddenTrailer => ("forbidden-trailer", "A trailer field is not allowed after the body."),
            Self::TrailersTooLarge => ("trailers-too-large", "The trailers are too large."),
            Self::HeadTimeout => ("head-timeout", "The request head did not arrive in time."),
            Self::BodyTimeout => ("body-timeout", "The request body came too slowly."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::Entropy;

    #[test]
    fn an_answer_is_one_complete_message_that_closes() {
        let text = String::from_utf8(Violation::TargetTooLong.answer(Id::draw(Entropy))).expect("ASCII");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.starts_with("HTTP/1.1 414 URI Too Long\r\n"), "{head}");
        assert!(head.contains("\r\nConnection: close\r\n"), "{head}");
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{head}");
    }

    #[test]
    fn a_405_says_what_is_allowed() {
        let text = String::from_utf8(Violation::Connect.answer(Id::draw(Entropy))).expect("ASCII");
        assert!(text.starts_with("HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, "), "{text}");
    }
}
