//! A server that speaks as OpenAI's chat does, for tests of models behind HTTP: it says what it is told to, and then goes
//! on, hangs, or refuses.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// How the server answers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Manner {
    /// Words, then the end.
    Whole(&'static str),
    /// Words, then the end, because there may be no more of them.
    Cut(&'static str),
    /// Words, and then nothing more, while the connection stays open.
    Hanging(&'static str),
    /// An error with a status; the key that came is part of its words.
    Refusing(u16),
    /// A call of a tool with arguments for each answer, and when all of them have their results, something else. What was
    /// said before the last message of the person does not count.
    Calling(&'static [(&'static str, &'static str)], &'static Self),
}

/// A server at an address of its own, for as long as the test runs.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: String,
    asked: Arc<Mutex<Vec<serde_json::Value>>>,
}

impl Server {
    pub(crate) fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/v1", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let log = Arc::clone(&log);
                // A command that is killed breaks off the connection, which is no fault of the server.
                std::thread::spawn(move || drop(answer(stream, manner, &log)));
            }
        });
        Self { address, asked }
    }

    /// Returns the texts of the messages of each request.
    pub(crate) fn asked(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        let text = |message: &serde_json::Value| format!("{}: {}", message["role"], message["content"]);
        let texts =
            |body: &serde_json::Value| body["messages"].as_array().unwrap().iter().map(text).collect::<Vec<_>>();
        asked.iter().map(|body| texts(body).join("\n")).collect()
    }
}

fn answer(mut stream: TcpStream, manner: Manner, log: &Mutex<Vec<serde_json::Value>>) -> std::io::Result<()> {
    let (key, body) = request(&stream)?;
    // What has no body asks which models there are.
    if body.is_empty() && !matches!(manner, Manner::Refusing(_)) {
        let models = serde_json::json!({"object": "list", "data": [{"id": "large"}, {"id": "small"}]});
        let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n";
        return stream.write_all(format!("{head}{models}").as_bytes());
    }
    let mut made = 0;
    if let Ok(body) = serde_json::from_slice(&body) {
        made = results(&body);
        log.lock().unwrap().push(body);
    }
    let (words, end) = match manner.after(made) {
        Manner::Whole(words) => (words, Some("stop")),
        Manner::Cut(words) => (words, Some("length")),
        Manner::Hanging(words) => (words, None),
        Manner::Refusing(status) => {
            let body = serde_json::json!({"error": {"message": format!("Incorrect API key provided: {key}")}});
            let head = format!("HTTP/1.1 {status} No\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n");
            return stream.write_all(format!("{head}{body}").as_bytes());
        }
        Manner::Calling(calls, _) => return call(&mut stream, calls[made]),
    };
    stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/event-stream\r\n\r\n")?;
    for word in words.split_inclusive(' ') {
        let choice = serde_json::json!({"index": 0, "delta": {"content": word}, "finish_reason": null});
        event(&mut stream, &serde_json::json!({"id": "1", "model": "m", "choices": [choice]}))?;
    }
    let Some(end) = end else {
        // Until the other side has had enough.
        return stream.read(&mut [0]).map(drop);
    };
    let choice = serde_json::json!({"index": 0, "delta": {}, "finish_reason": end});
    let usage = serde_json::json!({"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15});
    event(&mut stream, &serde_json::json!({"id": "1", "model": "m", "choices": [choice], "usage": usage}))?;
    stream.write_all(b"data: [DONE]\n\n")
}

impl Manner {
    /// Returns how the server answers after so many results of tools.
    fn after(self, made: usize) -> Self {
        match self {
            Self::Calling(calls, then) if made >= calls.len() => *then,
            manner => manner,
        }
    }
}

/// Counts the results of tools since the person has said something.
fn results(body: &serde_json::Value) -> usize {
    let messages = body["messages"].as_array().into_iter().flatten();
    messages.rev().take_while(|message| message["role"] != "user").filter(|message| message["role"] == "tool").count()
}

/// Asks for a call.
fn call(stream: &mut TcpStream, (name, arguments): (&str, &str)) -> std::io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/event-stream\r\n\r\n")?;
    let function = serde_json::json!({"name": name, "arguments": arguments});
    let calls = serde_json::json!([{"index": 0, "id": "call_1", "type": "function", "function": function}]);
    let choice = serde_json::json!({"index": 0, "delta": {"tool_calls": calls}, "finish_reason": null});
    event(stream, &serde_json::json!({"id": "1", "model": "m", "choices": [choice]}))?;
    let choice = serde_json::json!({"index": 0, "delta": {}, "finish_reason": "tool_calls"});
    let usage = serde_json::json!({"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15});
    event(stream, &serde_json::json!({"id": "1", "model": "m", "choices": [choice], "usage": usage}))?;
    stream.write_all(b"data: [DONE]\n\n")
}

fn event(stream: &mut TcpStream, data: &serde_json::Value) -> std::io::Result<()> {
    stream.write_all(format!("data: {data}\n\n").as_bytes())?;
    stream.flush()
}

/// Reads a request: the key it came with, and its body.
fn request(stream: &TcpStream) -> std::io::Result<(String, Vec<u8>)> {
    let mut reader = BufReader::new(stream);
    let (mut key, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(": ") else {
            if line.trim().is_empty() {
                break;
            }
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => value.trim_start_matches("Bearer ").clone_into(&mut key),
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok((key, body))
}
