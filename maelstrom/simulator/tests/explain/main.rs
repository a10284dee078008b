//! What is told of findings, and what is not: small runs, written down message by message.

mod answers;
mod contradictions;
mod counts;
mod kinds;
mod services;
mod story;
mod sums;
mod values;
