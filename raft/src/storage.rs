//! A node's records in its [journal].

use std::fmt::Debug;
use std::io;

use maelstrom::journal::{self, Entry, Journal, Log as _, MAX_RECORD_BYTES};
use maelstrom::machine::{self, Members, draw_incarnation};
use maelstrom::{Error, Setup};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Kept, Options, Record};

/// As JSON.
impl<C: Debug + Serialize + Send + std::marker::Sync> machine::Record for Record<C> {
    fn encode(&self) -> io::Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(io::Error::other)
    }
}

/// Opens the journal of a node that has a disk, and reads what it wrote before. What is in a
/// snapshot of the journal are records, too. Where some may be lost, a vote perhaps, nothing
/// counts any more: the node is a new server, which the others take in as a learner. The
/// journal says so until the first record of that server is safe, however it is opened.
///
/// # Errors
///
/// When the journal cannot be opened.
pub fn open<C: DeserializeOwned>(
    setup: &Setup,
    &Options { in_memory, sync, .. }: &Options,
) -> Result<(Option<Journal>, Kept<C>), Error> {
    let fresh = draw_incarnation(&mut setup.new_rng());
    let Some(disk) = setup.disk().filter(|_| !in_memory) else {
        return Ok((None, Kept::of(Vec::new(), fresh, false)));
    };
    let options = journal::Options {
        sync,
        remembers_loss: true,
        ..journal::Options::new(setup.id().as_str(), fresh)
    };
    let (mut journal, records) = Journal::open(disk, options, Vec::new, |records, entry| {
        let (Entry::Piece(bytes) | Entry::Record(_, bytes)) = entry;
        records.push(serde_json::from_slice(bytes)?);
        Ok(())
    })
    .map_err(Error::crash)?;
    // A directory is empty as well when its machine has died before anything was synced.
    let is_first = sync == journal::Sync::EveryGroup;
    let mut kept = Kept::of(records, journal.incarnation(), is_first);
    if journal.may_have_lost() {
        tracing::warn!("the journal may have lost records: this node begins anew, as a learner");
        kept = Kept::of(Vec::new(), journal.incarnation(), false);
        let members = Members::new(setup.id(), setup.node_ids());
        if let Err(error) = begin_anew(&mut journal, &members) {
            tracing::warn!(%error, "it may begin anew once more when it is started again");
        }
    }
    Ok((Some(journal), kept))
}

/// Has nothing count that was written before, and the loss be known when that is safe.
fn begin_anew(journal: &mut Journal, members: &Members) -> io::Result<()> {
    let nodes = (0..members.count()).map(|rank| members.id(rank).clone()).collect();
    let incarnation = journal.incarnation();
    let start = Record::<()>::Start { nodes, incarnation, is_first: false };
    journal.append(&[&machine::Record::encode(&start)?])?;
    journal.sync()?;
    journal.accept_loss()
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
    Ok(serde_json::to_vec(value)?.len())
}
