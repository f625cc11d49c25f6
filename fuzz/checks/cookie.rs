//! Cookies: ours is read as it was sent, under its own name, and no cookie of somebody else takes its place or hides it.
//! A line of the input is a line of the header.

use actix_web::HttpRequest;
use actix_web::http::header;
use actix_web::http::header::HeaderValue;
use actix_web::test::TestRequest;
use std::str::from_utf8;
use stepgate::web::cookie::presented;

const NAME: &str = "__Host-stepgate";
const SECRET: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";

pub fn check(input: &[u8]) {
    let lines = input.split(|byte| *byte == b'\n').take(20).map(HeaderValue::from_bytes);
    let Ok(lines) = lines.collect::<Result<Vec<_>, _>>() else { return };
    let own = lines.iter().flat_map(|line| own(line.as_bytes())).collect::<Vec<_>>();
    let read = presented(&request(&lines)).map(|secret| secret.reveal().to_owned());
    match own.as_slice() {
        [value] => assert_eq!(read.as_deref(), from_utf8(value).ok()),
        // RFC 6265bis §4.1.3.2: a browser keeps one of this name, so of two something else was sent.
        _ => assert_eq!(read, None),
    }
    if own.is_empty() {
        let ours = HeaderValue::from_str(&format!("{NAME}={SECRET}")).unwrap();
        let beside = [&lines[..], &[ours]].concat();
        assert_eq!(presented(&request(&beside)).unwrap().reveal(), SECRET);
        let mut joined = beside.iter().map(HeaderValue::as_bytes).collect::<Vec<_>>();
        joined.rotate_right(1);
        let line = HeaderValue::from_bytes(&joined.join(&b"; "[..])).unwrap();
        assert_eq!(presented(&request(&[line])).unwrap().reveal(), SECRET);
    }
}

fn request(lines: &[HeaderValue]) -> HttpRequest {
    let request = TestRequest::default();
    lines
        .iter()
        .fold(request, |request, line| request.append_header((header::COOKIE, line)))
        .to_http_request()
}

/// The values of our name in a line (RFC 6265 §4.2.1); nothing is decoded.
fn own(line: &[u8]) -> Vec<&[u8]> {
    let mut own = Vec::new();
    for pair in line.split(|byte| *byte == b';') {
        let Some(at) = pair.iter().position(|byte| *byte == b'=') else { continue };
        if pair[..at].trim_ascii_start() == NAME.as_bytes() {
            own.push(pair[at + 1..].trim_ascii_end());
        }
    }
    own
}
