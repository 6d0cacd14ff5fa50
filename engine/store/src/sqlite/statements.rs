//! The writer's prepared statements. rusqlite's own cache hashes the whole text at every use, twice; here a text is known
//! by where it stands in the program, which is what the one busy thread can afford.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::{Deref, DerefMut};

use rusqlite::{Connection, Statement};

/// Where a text begins, and its length.
type Place = (usize, usize);

/// A connection with the statements that were prepared on it.
pub(super) struct Statements<'c> {
    connection: &'c Connection,
    /// Those that are not in use, by the place of their text.
    idle: RefCell<HashMap<Place, Statement<'c>>>,
}

impl<'c> Statements<'c> {
    /// None yet.
    pub(super) fn on(connection: &'c Connection) -> Self {
        Self { connection, idle: RefCell::default() }
    }

    /// The connection, for what is not worth preparing.
    pub(super) fn connection(&self) -> &'c Connection {
        self.connection
    }

    /// The statement of a text, prepared when it is first used.
    pub(super) fn get(&self, sql: &'static str) -> rusqlite::Result<Busy<'_, 'c>> {
        let place = (sql.as_ptr().addr(), sql.len());
        let idle = self.idle.borrow_mut().remove(&place);
        let statement = idle.map_or_else(|| self.connection.prepare(sql), Ok)?;
        Ok(Busy { statements: self, place, statement: Some(statement) })
    }
}

/// A statement in use; it goes back when it is dropped.
pub(super) struct Busy<'s, 'c> {
    statements: &'s Statements<'c>,
    place: Place,
    statement: Option<Statement<'c>>,
}

impl<'c> Deref for Busy<'_, 'c> {
    type Target = Statement<'c>;

    fn deref(&self) -> &Statement<'c> {
        self.statement.as_ref().expect("it is there until dropped")
    }
}

impl<'c> DerefMut for Busy<'_, 'c> {
    fn deref_mut(&mut self) -> &mut Statement<'c> {
        self.statement.as_mut().expect("it is there until dropped")
    }
}

impl Drop for Busy<'_, '_> {
    fn drop(&mut self) {
        if let Some(mut statement) = self.statement.take() {
            // What was bound may be large, and it may be long until the next use.
            statement.clear_bindings();
            self.statements.idle.borrow_mut().insert(self.place, statement);
        }
    }
}
