//! Server-sent events, as far as Slipway's server uses them: `id`, `event`, `data`, comments.

/// One event of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    /// The id of this event, or of the newest before it that had one.
    pub(super) id: Option<String>,
    /// Its kind; `message` where the stream names none.
    pub(super) kind: String,
    /// Its data; several lines are joined by line feeds.
    pub(super) data: String,
}

/// Cuts bytes, in whatever pieces they come, into events. An event that is never completed by its blank line is
/// dropped, as the standard asks: the stream resumes before it.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    after_cr: bool,
    id: Option<String>,
    kind: String,
    data: Option<String>,
}

impl Parser {
    /// Takes the next bytes and returns the events that they complete.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<Message> {
        let mut complete = Vec::new();
        for &byte in bytes {
            let second_half = byte == b'\n' && std::mem::take(&mut self.after_cr);
            match byte {
                _ if second_half => {}
                b'\n' | b'\r' => {
                    self.after_cr = byte == b'\r';
                    let line = std::mem::take(&mut self.line);
                    complete.extend(self.take_line(&String::from_utf8_lossy(&line)));
                }
                _ => {
                    self.after_cr = false;
                    self.line.push(byte);
                }
            }
        }
        complete
    }

    fn take_line(&mut self, line: &str) -> Option<Message> {
        if line.is_empty() {
            let kind = std::mem::take(&mut self.kind);
            let data = self.data.take()?;
            return Some(Message { id: self.id.clone(), kind: if kind.is_empty() { "message".into() } else { kind }, data });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            "event" => value.clone_into(&mut self.kind),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            // A comment (the empty field), `retry`, or a field of a later version.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: Option<&str>, kind: &str, data: &str) -> Message {
        Message { id: id.map(str::to_owned), kind: kind.into(), data: data.into() }
    }

    #[test]
    fn a_stream_reads_the_same_in_whatever_pieces_it_comes() {
        let stream = ": heartbeat\n\nid: 1:5\nevent: log\ndata: {\"a\":1}\n\ndata:x\r\ndata: y\r\n\r\nretry: 9\nevent: lone\n\nid: 2\rdata\r\rdata: cut off";
        let expected =
            [message(Some("1:5"), "log", "{\"a\":1}"), message(Some("1:5"), "message", "x\ny"), message(Some("2"), "message", "")];
        for size in 1..=stream.len() {
            let mut parser = Parser::default();
            let got: Vec<_> = stream.as_bytes().chunks(size).flat_map(|piece| parser.push(piece)).collect();
            assert_eq!(got, expected, "in pieces of {size}");
        }
    }
}
