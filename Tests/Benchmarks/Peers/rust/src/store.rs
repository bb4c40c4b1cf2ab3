//! What is read of the database, on a connection of each thread's own.

use rusqlite::{params, CachedStatement, Connection, OpenFlags, Row};
use sha2::{Digest, Sha256};
use std::collections::HashMap;

// Whatever else may be wrong with a key is no part of what is measured.
const KEY: &str = "SELECT api_key.account_id FROM api_key JOIN account ON account.id = api_key.account_id
    WHERE api_key.secret_hash = ? AND api_key.state = 'active' AND account.is_suspended = 0 AND account.has_api_access = 1";

macro_rules! columns {
    () => {
        "pikzonality.id, pikzonality.account_id, pikzonality.mode, pikzonality.name, pikzonality.status, pikzonality.progress,
        pikzonality.reference_tokens, pikzonality.portrait_token, pikzonality.special_instructions, pikzonality.error_code,
        pikzonality.error_message, pikzonality.created_at, pikzonality.updated_at"
    };
}

const ITEM: &str = concat!("SELECT ", columns!(), " FROM pikzonality WHERE id = ?");

const PAGE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM (SELECT id AS found_id, created_at AS found_key FROM pikzonality
    WHERE account_id = ? AND mode = 'persona' AND (created_at, id) < (?, ?) ORDER BY created_at DESC, id DESC LIMIT ?)
    CROSS JOIN pikzonality ON pikzonality.id = found_id ORDER BY found_key DESC, found_id DESC"
);

/// One row of the table, as long as its statement stands on it.
pub struct Item<'row> {
    pub id: &'row [u8],
    pub account_id: &'row [u8],
    pub mode: &'row str,
    pub name: &'row str,
    pub status: &'row str,
    pub progress: i64,
    pub reference_tokens: &'row [u8],
    pub portrait_token: Option<&'row [u8]>,
    pub instructions: Option<&'row str>,
    pub error: Option<(&'row str, &'row str)>,
    pub created_at: i64,
    pub updated_at: i64,
}

impl<'row> Item<'row> {
    fn of(row: &'row Row) -> rusqlite::Result<Item<'row>> {
        let code = row.get_ref(9)?.as_str_or_null()?;
        let message = row.get_ref(10)?.as_str_or_null()?;
        Ok(Item {
            id: row.get_ref(0)?.as_blob()?,
            account_id: row.get_ref(1)?.as_blob()?,
            mode: row.get_ref(2)?.as_str()?,
            name: row.get_ref(3)?.as_str()?,
            status: row.get_ref(4)?.as_str()?,
            progress: row.get_ref(5)?.as_i64()?,
            reference_tokens: row.get_ref(6)?.as_blob()?,
            portrait_token: row.get_ref(7)?.as_blob_or_null()?,
            instructions: row.get_ref(8)?.as_str_or_null()?,
            error: code.zip(message),
            created_at: row.get_ref(11)?.as_i64()?,
            updated_at: row.get_ref(12)?.as_i64()?,
        })
    }

    pub fn position(&self) -> Position {
        let mut id = [0; 16];
        id.copy_from_slice(self.id);
        Position { created_at: self.created_at, id }
    }
}

/// Where a page ends.
pub struct Position {
    created_at: i64,
    id: [u8; 16],
}

impl Position {
    const VERSION: u8 = 1;
    // What a cursor is bound to: mode, status, order and search text of its list.
    const LIST: &'static [u8] = b"persona\n\n-created_at\n";

    /// In front of the newest.
    pub fn before_all() -> Position {
        Position { created_at: i64::MAX, id: [0; 16] }
    }

    /// A version, what binds it to its list, the id and the time.
    pub fn cursor(&self) -> String {
        let mut bytes = [0; 33];
        bytes[0] = Position::VERSION;
        bytes[9..25].copy_from_slice(&self.id);
        bytes[25..].copy_from_slice(&self.created_at.to_be_bytes());
        let binding = Position::binding(&bytes[9..]);
        bytes[1..9].copy_from_slice(&binding);
        crate::json::base64_url(&bytes)
    }

    /// Reads such a cursor.
    pub fn of_cursor(text: &str) -> Option<Position> {
        let bytes = crate::json::of_base64_url(text)?;
        if bytes.len() != 33 || bytes[0] != Position::VERSION || bytes[1..9] != Position::binding(&bytes[9..]) {
            return None;
        }
        let id = bytes[9..25].try_into().ok()?;
        Some(Position { created_at: i64::from_be_bytes(bytes[25..].try_into().ok()?), id })
    }

    fn binding(place: &[u8]) -> [u8; 8] {
        let mut hash = Sha256::new();
        hash.update(place);
        hash.update(Position::LIST);
        let mut binding = [0; 8];
        binding.copy_from_slice(&hash.finalize()[..8]);
        binding
    }
}

pub struct Store {
    connection: Connection,
    /// Account ids by the hash of a key.
    accounts: HashMap<[u8; 32], [u8; 16]>,
}

impl Store {
    pub fn open(path: &str) -> Store {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).expect("the database cannot be opened");
        connection.execute_batch("PRAGMA cache_size = -8000").expect("the database cannot be read");
        Store { connection, accounts: HashMap::new() }
    }

    /// The account of a key.
    pub fn account(&mut self, secret: &[u8]) -> rusqlite::Result<Option<[u8; 16]>> {
        let hash: [u8; 32] = Sha256::digest(secret).into();
        if let Some(account) = self.accounts.get(&hash) {
            return Ok(Some(*account));
        }
        let mut statement = self.connection.prepare_cached(KEY)?;
        let mut rows = statement.query(params![&hash[..]])?;
        let account: Option<[u8; 16]> = match rows.next()? {
            Some(row) => Some(row.get(0)?),
            None => None,
        };
        if let Some(account) = account {
            self.accounts.insert(hash, account);
        }
        Ok(account)
    }

    /// Calls `body` with the item of an id. False where there is none.
    pub fn item(&self, id: &[u8; 16], body: impl FnOnce(&Item) -> bool) -> rusqlite::Result<bool> {
        let mut statement: CachedStatement = self.connection.prepare_cached(ITEM)?;
        let mut rows = statement.query(params![&id[..]])?;
        match rows.next()? {
            Some(row) => Ok(body(&Item::of(row)?)),
            None => Ok(false),
        }
    }

    /// Calls `body` with each item of a page.
    pub fn page(&self, account: &[u8; 16], after: &Position, limit: usize, mut body: impl FnMut(&Item)) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare_cached(PAGE)?;
        let mut rows = statement.query(params![&account[..], after.created_at, &after.id[..], limit as i64])?;
        while let Some(row) = rows.next()? {
            body(&Item::of(row)?);
        }
        Ok(())
    }
}
