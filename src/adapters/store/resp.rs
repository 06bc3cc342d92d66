//! The few words of Redis' protocol (RESP2) that are needed: commands out, replies in, bounded.

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

use super::RedisError;

/// Longest line of a reply.
const LINE: u64 = 4096;
/// Longest text that comes with a length; `INFO memory` has three KiB.
const BULK: usize = 64 * 1024;

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// A word such as `OK`.
    Simple(String),
    /// A whole number.
    Integer(i64),
    /// Text with a length.
    Bulk(Vec<u8>),
    /// Nothing, for instance because `NX` did not hold.
    Nil,
}

/// Appends a command: an array of texts with their lengths, so that no argument can be taken for another.
pub(super) fn command(out: &mut Vec<u8>, words: &[&str]) {
    let mut line =
        |sign: char, length: usize| out.extend_from_slice(format!("{sign}{length}\r\n").as_bytes());
    line('*', words.len());
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// Reads one reply. An error reply is an error; after any error the connection is of no more use.
pub(super) async fn reply<R: AsyncBufRead + Unpin>(from: &mut R) -> Result<Reply, RedisError> {
    let line = line(from).await?;
    let (sign, rest) = line.split_at_checked(1).ok_or(RedisError::Garbage)?;
    let number = || rest.parse::<i64>().map_err(|_| RedisError::Garbage);
    match sign {
        "+" => Ok(Reply::Simple(rest.to_owned())),
        "-" => Err(RedisError::Refused(code(rest))),
        ":" => number().map(Reply::Integer),
        "_" => Ok(Reply::Nil),
        "$" => match number()? {
            -1 => Ok(Reply::Nil),
            length => bulk(from, length).await,
        },
        _ => Err(RedisError::Garbage),
    }
}

async fn line<R: AsyncBufRead + Unpin>(from: &mut R) -> Result<String, RedisError> {
    let mut bytes = Vec::new();
    let read = from.take(LINE).read_until(b'\n', &mut bytes).await?;
    if read == 0 {
        return Err(RedisError::Connection("closed".to_owned()));
    }
    let line = bytes.strip_suffix(b"\r\n").ok_or(RedisError::Garbage)?;
    String::from_utf8(line.to_vec()).map_err(|_| RedisError::Garbage)
}

async fn bulk<R: AsyncBufRead + Unpin>(from: &mut R, length: i64) -> Result<Reply, RedisError> {
    let length = usize::try_from(length).ok().filter(|length| *length <= BULK).ok_or(RedisError::Garbage)?;
    let mut bytes = vec![0; length + 2];
    from.read_exact(&mut bytes).await?;
    if bytes.split_off(length) == b"\r\n" { Ok(Reply::Bulk(bytes)) } else { Err(RedisError::Garbage) }
}

/// The first word of an error reply, such as `READONLY`. The rest is free text, which can repeat a command's arguments.
fn code(text: &str) -> String {
    let word = text.split(' ').next().unwrap_or_default();
    let plain = (1..=32).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_uppercase());
    if plain { word.to_owned() } else { "ERR".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_carry_lengths() {
        let mut out = Vec::new();
        command(&mut out, &["SET", "a\r\nb", ""]);
        assert_eq!(out, b"*3\r\n$3\r\nSET\r\n$4\r\na\r\nb\r\n$0\r\n\r\n");
    }

    #[tokio::test]
    async fn replies() {
        let long = format!("+{}\r\n", "a".repeat(5000));
        let cases: [(&str, &str, Result<Reply, &str>); 17] = [
            ("a word", "+OK\r\n", Ok(Reply::Simple("OK".into()))),
            ("a number", ":1\r\n", Ok(Reply::Integer(1))),
            ("nothing", "$-1\r\n", Ok(Reply::Nil)),
            ("nothing in RESP3", "_\r\n", Ok(Reply::Nil)),
            ("text", "$3\r\na\nb\r\n", Ok(Reply::Bulk(b"a\nb".to_vec()))),
            ("empty text", "$0\r\n\r\n", Ok(Reply::Bulk(Vec::new()))),
            ("refused", "-READONLY You can't write\r\n", Err("refused: READONLY")),
            ("refused with free text", "-oops 'secret'\r\n", Err("refused: ERR")),
            ("the end", "", Err("no connection: closed")),
            ("half a line", "+OK", Err("something that is no answer")),
            ("a bare line feed", "+OK\n", Err("something that is no answer")),
            ("another protocol", "HTTP/1.1 400 Bad Request\r\n", Err("something that is no answer")),
            ("no number", ":x\r\n", Err("something that is no answer")),
            ("a length below zero", "$-2\r\n", Err("something that is no answer")),
            ("a length too large", "$65537\r\n", Err("something that is no answer")),
            ("text longer than said", "$1\r\nabc\r\n", Err("something that is no answer")),
            ("a line too long", &long, Err("something that is no answer")),
        ];
        for (name, text, expected) in cases {
            let got = reply(&mut text.as_bytes()).await.map_err(|error| error.to_string());
            assert_eq!(got, expected.map_err(ToOwned::to_owned), "{name}");
        }
    }
}
