//! Copying into a new buffer what a damaged one still holds.

use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, params, params_from_iter};
use zstd::bulk::Decompressor;

use super::damaged::Damaged;
use super::node::Row;
use crate::block::Place;
use crate::flow::FlowId;
use crate::log::{self, Block};

/// What was found beside the rows themselves.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Flows by name, where an index says what the table may no longer say.
    pub(super) names: Vec<(String, i64)>,
    /// No row of a flow is missing.
    pub(super) has_all_flows: bool,
    /// Nothing of what is in flight is missing.
    pub(super) has_all_flights: bool,
}

/// A table as the new buffer has it.
struct Table {
    name: String,
    columns: usize,
    /// The column that is the row id.
    rowid: Option<usize>,
}

/// Copies all rows that can be read and fit into the buffer's tables; blocks and dead letters by their checksums.
pub(super) fn copy(
    damaged: &mut Damaged,
    target: &Connection,
    decompressor: &mut Decompressor<'static>,
) -> rusqlite::Result<Found> {
    let mut found = Found { has_all_flights: true, ..Found::default() };
    for table in tables(target)? {
        let values = vec!["?"; table.columns].join(", ");
        let mut insert = target.prepare(&format!("INSERT OR REPLACE INTO {} VALUES ({values})", table.name))?;
        let is_whole = damaged.rows(&table.name, |row| {
            let Some(values) = table.values(row) else { return Ok(()) };
            if is_sound(&table.name, &values, decompressor) {
                skip_misfit(insert.execute(params_from_iter(values)))
            } else {
                Ok(())
            }
        })?;
        match table.name.as_str() {
            "flow" => found.has_all_flows = is_whole,
            "flight" | "session" => found.has_all_flights &= is_whole,
            _ => {}
        }
    }
    damaged.rows("sqlite_autoindex_flow_1", |row| {
        if let [Value::Text(name), Value::Integer(id)] = row.values.as_slice() {
            found.names.push((name.clone(), *id));
        }
        Ok::<_, rusqlite::Error>(())
    })?;
    damaged.rows("sqlite_sequence", |row| {
        let [Value::Text(table), Value::Integer(last)] = row.values.as_slice() else { return Ok(()) };
        target.execute("DELETE FROM sqlite_sequence WHERE name = ?1 AND seq < ?2", params![table, last])?;
        let is_there = "SELECT 1 FROM sqlite_sequence WHERE name = ?1";
        let keep = format!("INSERT INTO sqlite_sequence SELECT ?1, ?2 WHERE NOT EXISTS ({is_there})");
        target.execute(&keep, params![table, last]).map(drop)
    })?;
    copy_strays(damaged, target, decompressor)?;
    Ok(found)
}

/// Blocks on pages that no tree leads to any more. One that the log has otherwise is an older state of it.
fn copy_strays(
    damaged: &mut Damaged,
    target: &Connection,
    decompressor: &mut Decompressor<'static>,
) -> rusqlite::Result<()> {
    let blocks = Table { name: "block".to_owned(), columns: 5, rowid: Some(0) };
    let mut insert = target.prepare("INSERT OR IGNORE INTO block VALUES (?, ?, ?, ?, ?)")?;
    damaged.strays(&blocks.name, |row| {
        let Some(values) = blocks.values(row) else { return Ok(()) };
        match block(&values, decompressor) {
            Some(place) if !log::overlaps(target, &place)? => skip_misfit(insert.execute(params_from_iter(values))),
            Some(_) | None => Ok(()),
        }
    })
}

fn tables(target: &Connection) -> rusqlite::Result<Vec<Table>> {
    target
        .prepare(
            "SELECT list.name, count(*), max(CASE WHEN list.wr = 0 AND info.pk = 1 AND info.type = 'INTEGER' THEN info.cid END)
             FROM pragma_table_list AS list JOIN pragma_table_info(list.name) AS info
             WHERE list.schema = 'main' AND list.type = 'table' AND list.name NOT LIKE 'sqlite_%' GROUP BY list.name",
        )?
        .query_map([], |row| Ok(Table { name: row.get(0)?, columns: row.get(1)?, rowid: row.get(2)? }))?
        .collect()
}

impl Table {
    /// The columns of a row that may be one of this table.
    fn values(&self, row: Row) -> Option<Vec<Value>> {
        let Row { rowid, mut values } = row;
        if let Some(column) = self.rowid {
            *values.get_mut(column)? = Value::Integer(rowid?);
        }
        (values.len() == self.columns).then_some(values)
    }
}

/// A row that the table does not take was not one of its rows.
fn skip_misfit(inserted: rusqlite::Result<usize>) -> rusqlite::Result<()> {
    match inserted {
        Err(error)
            if matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig)
            ) =>
        {
            Ok(())
        }
        inserted => inserted.map(drop),
    }
}

/// Whether a row with a checksum is what was written.
fn is_sound(table: &str, values: &[Value], decompressor: &mut Decompressor<'static>) -> bool {
    match table {
        "block" => block(values, decompressor).is_some(),
        "dead" => is_sound_letter(values, decompressor),
        _ => true,
    }
}

fn block(values: &[Value], decompressor: &mut Decompressor<'static>) -> Option<Place> {
    let [Value::Integer(id), Value::Integer(count), Value::Integer(boot), bytes, checksum] = values else {
        return None;
    };
    let place = log::place_of(*id, u64::try_from(*count).ok()?, *boot);
    has_events(place, bytes, checksum, decompressor).then_some(place)
}

/// A message of a source has no checksum.
fn is_sound_letter(values: &[Value], decompressor: &mut Decompressor<'static>) -> bool {
    match values {
        [_, Value::Null, ..] => true,
        [_, Value::Integer(flow), Value::Integer(sequence), Value::Integer(boot), .., bytes, checksum] => {
            let (Ok(flow), Ok(first)) = (u32::try_from(*flow), u64::try_from(*sequence)) else { return false };
            let place = Place { flow: FlowId(flow), first, count: 1, boot: *boot };
            has_events(place, bytes, checksum, decompressor)
        }
        _ => false,
    }
}

fn has_events(place: Place, bytes: &Value, checksum: &Value, decompressor: &mut Decompressor<'static>) -> bool {
    let (Value::Blob(bytes), Value::Integer(checksum)) = (bytes, checksum) else { return false };
    let Ok(checksum) = u32::try_from(*checksum) else { return false };
    Block::new(place, bytes.clone(), checksum).all(decompressor).is_ok_and(|events| !events.is_empty())
}
