//! A node's records in its [journal].

use std::fmt::Debug;
use std::io::{self, Write};

use maelstrom::journal::{self, Entry, Journal, MAX_RECORD_BYTES, Sync};
use maelstrom::machine::{self, draw_incarnation};
use maelstrom::{Error, Setup};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::persistent::Record;

/// As JSON.
impl<C: Debug + Serialize + Send + std::marker::Sync> machine::Record for Record<C> {
    fn encode(&self) -> io::Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(io::Error::other)
    }
}

/// Opens the journal of a node that has a disk, and reads what it wrote before. What is in a
/// snapshot of the journal are records, too.
///
/// # Errors
///
/// When the journal cannot be opened, and when it may have lost records: others may count on
/// them, or on a vote, so this node must not go on as the one that it was.
pub fn open<C: DeserializeOwned>(
    setup: &Setup,
    sync: Sync,
) -> Result<(Option<Journal>, Vec<Record<C>>), Error> {
    let Some(disk) = setup.disk() else { return Ok((None, Vec::new())) };
    let fresh = draw_incarnation(&mut setup.new_rng());
    let options = journal::Options { sync, ..journal::Options::new(setup.id().as_str(), fresh) };
    let (journal, records) = Journal::open(disk, options, Vec::new, |records, entry| {
        let (Entry::Piece(bytes) | Entry::Record(_, bytes)) = entry;
        records.push(serde_json::from_slice(bytes)?);
        Ok(())
    })
    .map_err(Error::crash)?;
    if journal.may_have_lost() {
        return Err(Error::crash(
            "the journal has lost records, perhaps a vote: this node cannot be a voter again. \
             Have the others remove it (`remove_node`)",
        ));
    }
    Ok((Some(journal), records))
}

/// How long a command may be, as JSON. With what goes along in a batch it makes half a
/// [record](MAX_RECORD_BYTES) at most.
pub const MAX_COMMAND_BYTES: usize = MAX_RECORD_BYTES as usize / 2;

/// Whether a command has a place in a record, and in a message.
pub(crate) fn check<C: Serialize>(command: &C) -> Result<(), Error> {
    match json_length(command) {
        Ok(length) if length <= MAX_COMMAND_BYTES => Ok(()),
        Ok(length) => Err(Error::malformed(format_args!(
            "a command has at most {MAX_COMMAND_BYTES} bytes, and this one has {length}"
        ))),
        Err(error) => Err(Error::malformed(format_args!("a command without a JSON form: {error}"))),
    }
}

/// How many bytes it has as JSON.
pub(crate) fn json_length(value: &impl Serialize) -> serde_json::Result<usize> {
    struct Length(usize);
    impl Write for Length {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut length = Length(0);
    serde_json::to_writer(&mut length, value)?;
    Ok(length.0)
}
