//! What a page of a tree says: the rows on it and the pages below it. Whatever does not fit is left out.
//!
//! The sections named are those of the SQLite file format (sqlite.org/fileformat2.html).

use rusqlite::types::Value;

use super::pages::{Page, Pages};
use crate::error::Malformed;
use crate::room::PAGE_BYTES;
use crate::varint::Cursor;

const PAGE: usize = PAGE_BYTES as usize;
/// The rest of a page that another one's row goes on in.
const OVERFLOW: usize = PAGE - 4;

/// A row as it is stored.
#[derive(Debug)]
pub(super) struct Row {
    /// In a table that has one.
    pub(super) rowid: Option<i64>,
    /// A column that stands for the row id is NULL.
    pub(super) values: Vec<Value>,
}

/// A page of a tree.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) children: Vec<u32>,
    pub(super) rows: Vec<Row>,
    /// Nothing on it was malformed.
    pub(super) is_whole: bool,
}

/// What kind of page it is (section 1.6).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    TableLeaf,
    TableInner,
    IndexLeaf,
    IndexInner,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        match byte {
            2 => Some(Self::IndexInner),
            5 => Some(Self::TableInner),
            10 => Some(Self::IndexLeaf),
            13 => Some(Self::TableLeaf),
            _ => None,
        }
    }

    fn is_inner(self) -> bool {
        matches!(self, Self::TableInner | Self::IndexInner)
    }

    /// The most bytes of a row that stay on the page.
    fn local_max(self) -> usize {
        match self {
            Self::TableLeaf | Self::TableInner => PAGE - 35,
            Self::IndexLeaf | Self::IndexInner => (PAGE - 12) * 64 / 255 - 23,
        }
    }
}

/// Whether the page is one with rows of a table that has row ids.
pub(super) fn is_table_leaf(page: &Page) -> bool {
    Kind::of(page[0]) == Some(Kind::TableLeaf)
}

impl Node {
    /// The page of this number; empty when it is none of a tree.
    pub(super) fn read(pages: &Pages, number: u32) -> Self {
        let mut node = Self::default();
        let Some(page) = pages.read(number) else { return node };
        // The first page begins with the header of the file.
        let header = if number == 1 { 100 } else { 0 };
        node.is_whole = node.fill(pages, &page, header).unwrap_or(false);
        node
    }

    /// Says whether all of it could be read.
    fn fill(&mut self, pages: &Pages, page: &Page, header: usize) -> Result<bool, Malformed> {
        let mut cursor = Cursor::new(&page[header..]);
        let kind = Kind::of(cursor.byte()?).ok_or(Malformed("not a page of a tree"))?;
        let [_, _, count_high, count_low, _, _, _] = cursor.array()?;
        if kind.is_inner() {
            self.children.push(u32::from_be_bytes(cursor.array()?));
        }
        let mut is_whole = true;
        for _ in 0..u16::from_be_bytes([count_high, count_low]) {
            let at = usize::from(u16::from_be_bytes(cursor.array()?));
            // One row that is malformed says nothing of its neighbors.
            is_whole &= page.get(at..).is_some_and(|cell| self.cell(pages, kind, cell).is_ok());
        }
        Ok(is_whole)
    }

    fn cell(&mut self, pages: &Pages, kind: Kind, cell: &[u8]) -> Result<(), Malformed> {
        let mut cursor = Cursor::new(cell);
        if kind.is_inner() {
            self.children.push(u32::from_be_bytes(cursor.array()?));
        }
        let (length, rowid) = match kind {
            Kind::TableInner => return Ok(()),
            Kind::TableLeaf => (sqlite_number(&mut cursor)?, Some(sqlite_number(&mut cursor)? as i64)),
            Kind::IndexLeaf | Kind::IndexInner => (sqlite_number(&mut cursor)?, None),
        };
        let payload = payload(pages, kind, length, cursor)?;
        self.rows.push(Row { rowid, values: record(&payload)? });
        Ok(())
    }
}

/// The bytes of a row, some of which may be on pages of their own (section 1.6).
fn payload(pages: &Pages, kind: Kind, length: u64, mut cursor: Cursor<'_>) -> Result<Vec<u8>, Malformed> {
    let length = usize::try_from(length).map_err(|_| TOO_LONG)?;
    if length > pages.count() as usize * PAGE {
        return Err(TOO_LONG);
    }
    if length <= kind.local_max() {
        return Ok(cursor.take(length)?.to_vec());
    }
    let least = (PAGE - 12) * 32 / 255 - 23;
    let wanted = least + (length - least) % OVERFLOW;
    let mut payload = cursor.take(if wanted <= kind.local_max() { wanted } else { least })?.to_vec();
    let mut next = u32::from_be_bytes(cursor.array()?);
    while payload.len() < length {
        let page = pages.read(next).ok_or(Malformed("a page is missing"))?;
        let (link, content) = page.split_first_chunk().ok_or(TOO_LONG)?;
        payload.extend_from_slice(&content[..OVERFLOW.min(length - payload.len())]);
        next = u32::from_be_bytes(*link);
    }
    Ok(payload)
}

/// Section 2.1.
fn record(payload: &[u8]) -> Result<Vec<Value>, Malformed> {
    let mut sizes = Cursor::new(payload);
    let header = usize::try_from(sqlite_number(&mut sizes)?).map_err(|_| TOO_LONG)?;
    let (head, body) = payload.split_at_checked(header).ok_or(TOO_LONG)?;
    let mut types = Cursor::new(head);
    sqlite_number(&mut types)?;
    let mut body = Cursor::new(body);
    let mut values = Vec::new();
    while !types.is_empty() {
        values.push(value(sqlite_number(&mut types)?, &mut body)?);
    }
    if body.is_empty() { Ok(values) } else { Err(Malformed("there are bytes after the last column")) }
}

fn value(kind: u64, body: &mut Cursor<'_>) -> Result<Value, Malformed> {
    let integer_bytes = match kind {
        0 => return Ok(Value::Null),
        1..=4 => kind as usize,
        5 => 6,
        6 => 8,
        7 => return Ok(Value::Real(f64::from_be_bytes(body.array()?))),
        8 => return Ok(Value::Integer(0)),
        9 => return Ok(Value::Integer(1)),
        10 | 11 => return Err(Malformed("a column of a reserved type")),
        12.. => {
            let bytes = body.take(usize::try_from((kind - 12) / 2).map_err(|_| TOO_LONG)?)?.to_vec();
            return if kind.is_multiple_of(2) {
                Ok(Value::Blob(bytes))
            } else {
                String::from_utf8(bytes).map(Value::Text).map_err(|_| Malformed("a text is not text"))
            };
        }
    };
    let bytes = body.take(integer_bytes)?;
    let sign = bytes.first().map_or(0, |first| i64::from(*first as i8 >> 7));
    Ok(Value::Integer(bytes.iter().fold(sign, |value, byte| value << 8 | i64::from(*byte))))
}

/// A number as SQLite writes it: its seven bits come highest first, and a ninth byte has eight (section 1.6).
fn sqlite_number(cursor: &mut Cursor<'_>) -> Result<u64, Malformed> {
    let mut value = 0;
    for _ in 0..8 {
        let byte = cursor.byte()?;
        value = value << 7 | u64::from(byte & 0x7f);
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Ok(value << 8 | u64::from(cursor.byte()?))
}

const TOO_LONG: Malformed = Malformed("a row is longer than the file");
