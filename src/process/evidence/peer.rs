//! Who is at the other end of a socket, from the tables of the network namespace of its process.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Files of a process looked at to find its sockets.
const FILES: usize = 64;

/// The socket a link in `/proc/PID/fd` names.
pub(in crate::process) fn socket_of(link: &str) -> Option<u64> {
    let number = link.strip_prefix("socket:[")?.strip_suffix(']')?;
    number.parse().ok()
}

/// What a file of a process is, as its link has it.
pub(in crate::process) fn link_of(pid: i32, fd: u64) -> Option<String> {
    let link = fs::read_link(format!("/proc/{pid}/fd/{fd}")).ok()?;
    Some(link.to_string_lossy().into_owned())
}

/// The links of the files a process has open, the first of them.
pub(in crate::process) fn links_of(pid: i32) -> Vec<String> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return Vec::new();
    };
    let links = entries.flatten().take(FILES);
    links
        .filter_map(|e| fs::read_link(e.path()).ok())
        .map(|link| link.to_string_lossy().into_owned())
        .collect()
}

/// The files an epoll instance watches.
pub(in crate::process) fn watched_by(pid: i32, epoll: u64) -> Vec<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/fdinfo/{epoll}")).unwrap_or_default();
    let number = |line: &str| {
        let rest = line.strip_prefix("tfd:")?;
        rest.split_ascii_whitespace().next()?.parse().ok()
    };
    text.lines().filter_map(number).take(FILES).collect()
}

/// The address at the other end of a socket; of one that listens its own.
pub(in crate::process) fn peer_of(pid: i32, socket: u64) -> Option<String> {
    let table = |name: &str| {
        let file = File::open(format!("/proc/{pid}/net/{name}")).ok()?;
        let mut lines = BufReader::new(file).lines().map_while(Result::ok);
        lines.find_map(|line| match name {
            "unix" => unix(&line, socket),
            _ => inet(&line, socket),
        })
    };
    ["tcp", "tcp6", "udp", "udp6", "unix"]
        .into_iter()
        .find_map(table)
}

// sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode ...
fn inet(line: &str, socket: u64) -> Option<String> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    if fields.get(9)?.parse() != Ok(socket) {
        return None;
    }
    let (local, remote) = (address(fields.get(1)?)?, address(fields.get(2)?)?);
    Some(if remote.port() == 0 {
        format!("{local} (its own)")
    } else {
        remote.to_string()
    })
}

// Num RefCount Protocol Flags Type St Inode Path
fn unix(line: &str, socket: u64) -> Option<String> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    if fields.get(6)?.parse() != Ok(socket) {
        return None;
    }
    Some(match fields.get(7) {
        Some(path) => format!("unix socket {path}"),
        None => "a unix socket".to_owned(),
    })
}

// The kernel prints the words of an address, which lie in memory in network order, as numbers of
// this machine; the port it has turned round already.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut bytes = Vec::with_capacity(16);
    for word in ip.as_bytes().chunks(8) {
        let word = u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()?;
        bytes.extend(word.to_ne_bytes());
    }
    let ip = match bytes.len() {
        4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)).to_canonical(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;

    use crate::process::evidence::peer::{inet, link_of, peer_of, socket_of, unix};

    #[test]
    fn a_connected_socket_has_its_peer_and_a_listening_one_itself() {
        let me = i32::try_from(std::process::id()).unwrap();
        let peer = |fd: i32| {
            let link = link_of(me, fd.try_into().unwrap()).unwrap();
            peer_of(me, socket_of(&link).unwrap()).unwrap()
        };
        for local in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(local) else {
                eprintln!("SKIPPED: no {local} here");
                continue;
            };
            let at = listener.local_addr().unwrap();
            let mut stream = TcpStream::connect(at).unwrap();
            assert_eq!(peer(stream.as_raw_fd()), at.to_string());
            assert_eq!(peer(listener.as_raw_fd()), format!("{at} (its own)"));
            stream.write_all(b"x").unwrap();
            let mut byte = [0];
            listener.accept().unwrap().0.read_exact(&mut byte).unwrap();
        }
        let (a, _b) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(peer(a.as_raw_fd()), "a unix socket");
    }

    #[test]
    fn nonsense_names_nobody() {
        for line in [
            "",
            "0: x y",
            "1 2 3 4 5 6 7 8 9 7 11",
            "a: ZZ:1 ZZ:2 4 5 6 7 8 9 7",
        ] {
            assert_eq!(inet(line, 7), None, "{line}");
        }
        assert_eq!(unix("0: 1 2 3 4 5", 7), None);
        assert_eq!(socket_of("pipe:[7]"), None);
    }
}
