//! Frames of the dashboard as one moving picture in SVG, for the documents.

use std::fmt::Write;

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};

const CELL: (f64, f64) = (8.4, 18.0);
const MARGIN: f64 = 12.0;
const FONT: &str = "ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace";
const GROUND: &str = "#16181d";
const TEXT: &str = "#d6d8dc";

/// Shows frames of the same size one after the other, each for so many seconds, over and over.
pub fn moving(frames: &[Buffer], seconds: f64) -> String {
    let area = frames[0].area;
    let width = f64::from(area.width) * CELL.0 + 2.0 * MARGIN;
    let height = f64::from(area.height) * CELL.1 + 2.0 * MARGIN;
    let (share, whole) = (100.0 / frames.len() as f64, seconds * frames.len() as f64);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.1} {height:.1}\" \
         font-family=\"{FONT}\" font-size=\"14\" fill=\"{TEXT}\">\n<style>\n\
         .f {{ visibility: hidden; animation: show {whole}s step-end infinite; }}\n\
         @keyframes show {{ 0% {{ visibility: visible; }} {share:.3}% {{ visibility: hidden; }} }}\n\
         </style>\n<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{GROUND}\"/>\n"
    );
    for (n, frame) in frames.iter().enumerate() {
        let delay = seconds * n as f64;
        writeln!(svg, "<g class=\"f\" style=\"animation-delay:{delay}s\">").unwrap();
        for y in 0..area.height {
            line(&mut svg, frame, y);
        }
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

/// How a cell looks: its colour, its ground where it has one, bold.
type Look = (&'static str, Option<&'static str>, bool);

fn line(svg: &mut String, frame: &Buffer, y: u16) {
    let top = MARGIN + f64::from(y) * CELL.1;
    let mut x = 0;
    while x < frame.area.width {
        let (from, like) = (x, look(frame, x, y));
        let mut text = String::new();
        while x < frame.area.width && look(frame, x, y) == like {
            text.push_str(frame[(x, y)].symbol());
            x += 1;
        }
        let left = MARGIN + f64::from(from) * CELL.0;
        let wide = f64::from(x - from) * CELL.0;
        if let Some(ground) = like.1 {
            let tall = CELL.1;
            writeln!(
                svg,
                "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{wide:.1}\" height=\"{tall}\" fill=\"{ground}\"/>"
            )
            .unwrap();
        }
        let fill = match like.0 {
            TEXT => String::new(),
            color => format!(" fill=\"{color}\""),
        };
        let weight = if like.2 { " font-weight=\"bold\"" } else { "" };
        // Several spaces are one to whoever reads this, so each stretch has its own place.
        for (at, words) in stretches(&text) {
            let left = MARGIN + (f64::from(from) + at as f64) * CELL.0;
            let wide = words.chars().count() as f64 * CELL.0;
            writeln!(
                svg,
                "<text x=\"{left:.1}\" y=\"{:.1}\" textLength=\"{wide:.1}\"{fill}{weight}>{}</text>",
                top + 13.5,
                escaped(words)
            )
            .unwrap();
        }
    }
}

/// What stands between two or more spaces, and at which character it begins.
fn stretches(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut at = 0;
    for part in text.split("  ") {
        let words = part.trim_start_matches(' ');
        let lead = part.len() - words.len();
        if !words.trim_end().is_empty() {
            found.push((at + lead, words.trim_end()));
        }
        at += part.chars().count() + 2;
    }
    found
}

fn look(frame: &Buffer, x: u16, y: u16) -> Look {
    let style = frame[(x, y)].style();
    let has = |modifier| style.add_modifier.contains(modifier);
    let mut text = color(style.fg).unwrap_or(TEXT);
    if has(Modifier::DIM) && text == TEXT {
        text = "#8a8f98";
    }
    match has(Modifier::REVERSED) {
        true => (GROUND, Some(text), has(Modifier::BOLD)),
        false => (text, color(style.bg), has(Modifier::BOLD)),
    }
}

fn color(color: Option<Color>) -> Option<&'static str> {
    Some(match color? {
        Color::Red => "#ff6b6b",
        Color::Green => "#7bc96f",
        Color::Yellow => "#e5c07b",
        Color::Magenta => "#c678dd",
        Color::Cyan => "#56b6c2",
        _ => return None,
    })
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
