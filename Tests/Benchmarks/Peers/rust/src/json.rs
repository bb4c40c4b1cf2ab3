//! How things look on the wire.

use crate::store::Item;
use std::cell::Cell;
use std::time::SystemTime;

const HEX: &[u8; 16] = b"0123456789abcdef";
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

pub fn item(out: &mut Vec<u8>, item: &Item, media_url: &str) {
    out.extend_from_slice(b"{\"id\":\"");
    uuid(out, item.id);
    out.extend_from_slice(b"\",\"mode\":\"");
    out.extend_from_slice(item.mode.as_bytes());
    out.extend_from_slice(b"\",\"name\":");
    text(out, item.name);
    out.extend_from_slice(b",\"status\":\"");
    out.extend_from_slice(item.status.as_bytes());
    out.extend_from_slice(b"\",\"progress\":");
    out.extend_from_slice(item.progress.to_string().as_bytes());
    match item.portrait_token {
        Some(token) if item.status == "completed" => {
            out.extend_from_slice(b",\"portrait_url\":");
            url(out, media_url, token);
            out.extend_from_slice(b",\"reference\":[");
            for (index, token) in item.reference_tokens.chunks_exact(16).enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                url(out, media_url, token);
            }
            out.push(b']');
        }
        _ => out.extend_from_slice(b",\"portrait_url\":null,\"reference\":null"),
    }
    out.extend_from_slice(b",\"special_instructions\":");
    match item.instructions {
        Some(instructions) => text(out, instructions),
        None => out.extend_from_slice(b"null"),
    }
    // The store that is measured has no names of clients' own.
    out.extend_from_slice(b",\"external_id\":null,\"metadata\":{},\"error\":");
    match item.error {
        Some((code, message)) => {
            out.extend_from_slice(b"{\"code\":");
            text(out, code);
            out.extend_from_slice(b",\"message\":");
            text(out, message);
            out.push(b'}');
        }
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"created_at\":\"");
    time(out, item.created_at);
    out.extend_from_slice(b"\",\"updated_at\":\"");
    time(out, item.updated_at);
    out.extend_from_slice(b"\"}");
}

pub fn error(code: &str, message: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(b"{\"error\":{\"code\":\"");
    out.extend_from_slice(code.as_bytes());
    out.extend_from_slice(b"\",\"message\":\"");
    out.extend_from_slice(message.as_bytes());
    out.extend_from_slice(b"\"},\"request_id\":\"");
    uuid(&mut out, &random());
    out.extend_from_slice(b"\"}");
    out
}

/// Reads a UUID.
pub fn identifier(text: &str) -> Option<[u8; 16]> {
    let text = text.as_bytes();
    if text.len() != 36 {
        return None;
    }
    let mut id = [0; 16];
    let mut at = 0;
    for byte in id.iter_mut() {
        if [8, 13, 18, 23].contains(&at) {
            if text[at] != b'-' {
                return None;
            }
            at += 1;
        }
        *byte = digit(text[at])? << 4 | digit(text[at + 1])?;
        at += 2;
    }
    Some(id)
}

fn digit(character: u8) -> Option<u8> {
    (character as char).to_digit(16).map(|digit| digit as u8)
}

pub fn base64_url(bytes: &[u8; 33]) -> String {
    let mut text = String::with_capacity(44);
    for group in bytes.chunks_exact(3) {
        let bits = (group[0] as usize) << 16 | (group[1] as usize) << 8 | group[2] as usize;
        for shift in [18, 12, 6, 0] {
            text.push(BASE64[bits >> shift & 63] as char);
        }
    }
    text
}

pub fn of_base64_url(text: &str) -> Option<Vec<u8>> {
    if text.len() % 4 != 0 {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for group in text.as_bytes().chunks_exact(4) {
        let mut bits = 0;
        for character in group {
            bits = bits << 6 | BASE64.iter().position(|known| known == character)?;
        }
        bytes.extend_from_slice(&[(bits >> 16) as u8, (bits >> 8) as u8, bits as u8]);
    }
    Some(bytes)
}

/// A string. The rules of names and instructions let few control characters through.
fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for &byte in text.as_bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..=0x1f | 0x7f => out.extend_from_slice(format!("\\u{:04x}", byte).as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

fn url(out: &mut Vec<u8>, media_url: &str, token: &[u8]) {
    out.push(b'"');
    out.extend_from_slice(media_url.as_bytes());
    hexadecimal(out, token);
    out.push(b'"');
}

fn uuid(out: &mut Vec<u8>, id: &[u8]) {
    for (index, part) in [&id[..4], &id[4..6], &id[6..8], &id[8..10], &id[10..]].iter().enumerate() {
        if index > 0 {
            out.push(b'-');
        }
        hexadecimal(out, part);
    }
}

fn hexadecimal(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        out.extend_from_slice(&[HEX[(byte >> 4) as usize], HEX[(byte & 15) as usize]]);
    }
}

/// A time in UTC. The date is reckoned in years that begin in March, so that leap days come last.
fn time(out: &mut Vec<u8>, milliseconds: i64) {
    let days = milliseconds.div_euclid(86_400_000) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + (month <= 2) as i64;
    let rest = milliseconds.rem_euclid(86_400_000);
    number(out, year, 4);
    for (mark, value, width) in [
        (b'-', month, 2),
        (b'-', day, 2),
        (b'T', rest / 3_600_000, 2),
        (b':', rest / 60_000 % 60, 2),
        (b':', rest / 1_000 % 60, 2),
        (b'.', rest % 1_000, 3),
    ] {
        out.push(mark);
        number(out, value, width);
    }
    out.push(b'Z');
}

fn number(out: &mut Vec<u8>, value: i64, width: u32) {
    for place in (0..width).rev() {
        out.push(b'0' + (value / 10_i64.pow(place) % 10) as u8);
    }
}

/// 128 bits for a request id, by the generator splitmix64: nobody has to be unable to guess it.
fn random() -> [u8; 16] {
    thread_local! {
        static STATE: Cell<u64> = Cell::new(
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64));
    }
    let mut bytes = [0; 16];
    for half in bytes.chunks_exact_mut(8) {
        let mut word = STATE.with(|state| {
            state.set(state.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
            state.get()
        });
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        half.copy_from_slice(&(word ^ word >> 31).to_be_bytes());
    }
    bytes
}
