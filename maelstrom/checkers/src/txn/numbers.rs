//! Keys, values and transactions are numbers here.

/// The number of a key or a value.
pub(super) type Name = u32;

/// The number of `null`: the state of a register before its first write.
pub(super) const NULL: Name = 0;

/// A key and one value written or appended to it.
pub(super) type Version = (Name, Name);

/// A transaction's number: its place in the order of invocations.
pub(super) type Txn = u32;
