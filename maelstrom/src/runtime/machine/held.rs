//! Outputs that wait until what was written before them is safe.

use std::collections::VecDeque;

use super::{Client, Machine, Output, Outputs};
use crate::protocol::Error;

/// Holds outputs back until the records that were written before them are safe, so that
/// nobody learns of what a restart would undo (*output commit*: [Elnozahy et al., A Survey
/// of Rollback-Recovery Protocols][survey], 2002).
///
/// A machine writes with [`write`](Self::write), says with [`say`](Self::say) what depends
/// on its records, and hands on what it hears of them. What it says leaves in order.
///
/// ```
/// use std::convert::Infallible;
///
/// use maelstrom::Error;
/// use maelstrom::machine::{Client, Held, Input, Machine, Output, Outputs, Record, Time};
///
/// #[derive(Debug)]
/// struct Note(String);
///
/// impl Record for Note {
///     fn encode(&self) -> std::io::Result<Vec<u8>> {
///         Ok(self.0.clone().into_bytes())
///     }
/// }
///
/// #[derive(Default)]
/// struct Notes {
///     held: Held<Self>,
/// }
///
/// impl Machine for Notes {
///     type Request = String;
///     type Reply = ();
///     type Message = Infallible;
///     type Call = Infallible;
///     type Record = Note;
///
///     fn handle(&mut self, _: Time, input: Input<Self>, out: &mut Outputs<Self>) {
///         match input {
///             Input::Request(client, note) => {
///                 self.held.write(Note(note), out);
///                 self.held.say(Output::Reply(client, Ok(())), out);
///             }
///             Input::Written(records) => self.held.written(records, out),
///             Input::WriteFailed(error) => self.held.fail(&Error::crash(error), out),
///             _ => {}
///         }
///     }
///
///     fn deadline(&self) -> Option<Time> {
///         None
///     }
/// }
///
/// let (mut notes, mut out) = (Notes::default(), Outputs::default());
/// notes.handle(Time::ZERO, Input::Request(Client(1), "milk".to_owned()), &mut out);
/// notes.handle(Time::ZERO, Input::Request(Client(2), "eggs".to_owned()), &mut out);
/// assert!(matches!(out.as_slice(), [Output::Write(_), Output::Write(_)]));
/// out.drain().for_each(drop);
/// notes.handle(Time::ZERO, Input::Written(1), &mut out);
/// assert!(matches!(out.as_slice(), [Output::Reply(Client(1), Ok(()))]));
/// notes.handle(Time::ZERO, Input::WriteFailed(std::io::Error::other("full")), &mut out);
/// assert!(matches!(out.as_slice(), [_, Output::Reply(Client(2), Err(_))]));
/// out.drain().for_each(drop);
/// notes.handle(Time::ZERO, Input::Request(Client(3), "tea".to_owned()), &mut out);
/// notes.handle(Time::ZERO, Input::Written(1), &mut out);
/// assert!(matches!(out.as_slice(), [Output::Write(_), Output::Reply(Client(3), Ok(()))]));
/// ```
///
/// [survey]: https://doi.org/10.1145/568522.568525
pub struct Held<M: Machine> {
    /// How many records were written, and how many of them are safe.
    written: u64,
    safe: u64,
    /// With how many records have to be safe before.
    outputs: VecDeque<(u64, Output<M>)>,
}

impl<M: Machine> Held<M> {
    /// Writes a record.
    pub fn write(&mut self, record: M::Record, out: &mut Outputs<M>) {
        self.written += 1;
        out.write(record);
    }

    /// Has this done once all that was written is safe; at once if it is.
    pub fn say(&mut self, output: Output<M>, out: &mut Outputs<M>) {
        if self.safe == self.written {
            out.push(output);
        } else {
            self.outputs.push_back((self.written, output));
        }
    }

    /// So many more records are safe: see [`Input::Written`](super::Input::Written).
    pub fn written(&mut self, records: u64, out: &mut Outputs<M>) {
        self.safe += records;
        let ready = self.outputs.partition_point(|(after, _)| *after <= self.safe);
        self.outputs.drain(..ready).for_each(|(_, output)| out.push(output));
    }

    /// A client waits no longer: if its reply is here, it is told that it may have happened.
    pub fn give_up(&mut self, client: Client, out: &mut Outputs<M>) {
        let is_its = |output: &Output<M>| matches!(output, Output::Reply(of, _) if *of == client);
        if let Some(place) = self.outputs.iter().position(|(_, output)| is_its(output)) {
            self.outputs.remove(place);
            out.fail(client, Error::timeout("it is not safe yet, and may never be"));
        }
    }

    /// Records will never be safe: clients whose replies wait for that get this error, and
    /// what else waits is dropped.
    pub fn fail(&mut self, error: &Error, out: &mut Outputs<M>) {
        for (_, output) in self.outputs.drain(..) {
            if let Output::Reply(client, _) = output {
                out.fail(client, error.clone());
            }
        }
        // Nothing more is to be heard of them. What comes later waits for later records alone.
        self.written = self.safe;
    }
}

impl<M: Machine> Default for Held<M> {
    fn default() -> Self {
        Self { written: 0, safe: 0, outputs: VecDeque::new() }
    }
}
