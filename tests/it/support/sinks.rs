//! Servers of the test's own that take alerts: the web and mail.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `POST /path HTTP/1.1`.
    pub line: String,
    /// The header lines.
    pub headers: Vec<String>,
    /// The body.
    pub body: String,
}

impl Asked {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// A web server that answers with the codes it is given, in order, and then with 200.
pub struct Web {
    /// Its address.
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Web {
    /// One that answers so.
    pub fn answering(codes: &[u16]) -> Web {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook/secret-path", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (all, codes) = (Arc::clone(&asked), codes.to_vec());
        thread::spawn(move || {
            let codes = Arc::new(Mutex::new(VecDeque::from(codes)));
            for stream in listener.incoming().flatten() {
                let (all, codes) = (Arc::clone(&all), Arc::clone(&codes));
                thread::spawn(move || answer(stream, &all, &codes));
            }
        });
        Web { url, asked }
    }

    /// All that was asked.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// A code of 0 is no answer at all: the connection stays open.
fn answer(stream: TcpStream, all: &Mutex<Vec<Asked>>, codes: &Mutex<VecDeque<u16>>) {
    let Ok(writer) = stream.try_clone() else {
        return;
    };
    let mut reader = BufReader::new(stream);
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap_or(0);
        line.trim_end().to_owned()
    };
    let first = line();
    let headers: Vec<String> = std::iter::repeat_with(&mut line)
        .take_while(|l| !l.is_empty())
        .collect();
    let mut asked = Asked {
        line: first,
        headers,
        body: String::new(),
    };
    let length = asked.header("content-length").and_then(|n| n.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    let _ = reader.read_exact(&mut body);
    asked.body = String::from_utf8(body).unwrap();
    let code = codes.lock().unwrap().pop_front().unwrap_or(200);
    // As many servers do, it repeats what it was asked.
    let words = asked.line.trim_end_matches(" HTTP/1.1").to_owned();
    all.lock().unwrap().push(asked);
    let mut writer = writer;
    if code == 0 {
        // Until the other side gives up.
        let _ = reader.read(&mut [0]);
        return;
    }
    let _ = write!(
        writer,
        "HTTP/1.1 {code} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{words}",
        words.len()
    );
}

/// A mail server that takes everything.
pub struct Mail {
    /// Its address.
    pub url: String,
    letters: Arc<Mutex<Vec<String>>>,
}

impl Mail {
    /// One that listens.
    pub fn listening() -> Mail {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let letters: Arc<Mutex<Vec<String>>> = Arc::default();
        let all = Arc::clone(&letters);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let all = Arc::clone(&all);
                thread::spawn(move || take(stream, &all));
            }
        });
        Mail { url, letters }
    }

    /// The letters it took.
    pub fn letters(&self) -> Vec<String> {
        self.letters.lock().unwrap().clone()
    }
}

fn take(stream: TcpStream, letters: &Mutex<Vec<String>>) {
    let mut writer = stream.try_clone().unwrap();
    let mut lines = BufReader::new(stream).lines();
    let mut say = |text: &str| writer.write_all(format!("{text}\r\n").as_bytes());
    let _ = say("220 sink");
    while let Some(Ok(line)) = lines.next() {
        let said = match line.split(' ').next().unwrap_or("") {
            "EHLO" | "HELO" => say("250 sink"),
            "DATA" => {
                let _ = say("354 go on");
                let letter: Vec<String> = lines
                    .by_ref()
                    .map_while(Result::ok)
                    .take_while(|l| l != ".")
                    .collect();
                letters.lock().unwrap().push(letter.join("\n"));
                say("250 taken")
            }
            "QUIT" => {
                let _ = say("221 bye");
                return;
            }
            _ => say("250 ok"),
        };
        if said.is_err() {
            return;
        }
    }
}
