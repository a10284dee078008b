//! What came instead of an answer is told.

use crate::quirks::{ECHO, INVALID, at_once};
use crate::told::odd;

pub(crate) fn what_came_instead_of_the_answer_to_init_or_topology_is_told() {
    let asked = "the request's `msg_id`";
    let oddities = [
        ("no-in-reply-to", format!("without the `in_reply_to` 1, which is {asked}")),
        ("string-in-reply-to", "whose `in_reply_to` is a string instead of the integer 1".into()),
        ("float-in-reply-to", "whose `in_reply_to` is a float instead of the integer 1".into()),
        ("zero-in-reply-to", format!("whose `in_reply_to` is not 1, {asked}")),
        ("other-in-reply-to", format!("whose `in_reply_to` is not 1, {asked}")),
        ("the-wrong-way-round", "to n0, and not to c".into()),
        ("no-end", "without an end of line".into()),
        ("carriage-return", "<CR>`. A carriage return is no end of line".into()),
        ("buffered", "printed nothing since. If it did answer, it does not flush".into()),
        ("something-else", "None of the 3 lines that it printed since was an answer".into()),
    ];
    let requests = [(1, "init"), (2, "topology")];
    let each: Vec<_> = oddities.iter().flat_map(|row| requests.map(|asked| (row, asked))).collect();
    at_once(&each, |((oddity, said), (since, request))| {
        let run = odd(oddity, *since, "-w broadcast --init-timeout 20", &[]).is(INVALID);
        run.says(&format!("did not answer `{request}` within")).says(said);
    });
    let refused = [
        ("error", "which is no `init_ok`: it is the error 10 (not-supported), \"what is that?\""),
        ("error-without-code", "which is no `init_ok`: it is an error without a `code`"),
    ];
    at_once(&refused, |(oddity, said)| drop(odd(oddity, 1, ECHO, &[]).is(INVALID).says(said)));
}

pub(crate) fn an_operation_without_an_answer_is_told_what_came_instead() {
    let oddities = [
        (
            "no-in-reply-to",
            "why: n0 got the request",
            "with no `in_reply_to`, not with the request's `msg_id`",
        ),
        ("string-in-reply-to", "why: n0 got", "with `in_reply_to` \"1\", not with the"),
        ("other-in-reply-to", "why: n0 got", "with `in_reply_to` 1001, not with the"),
        (
            "the-wrong-way-round",
            "why: n0 got",
            "the answer to it went to n0 (`{\"type\": \"echo_ok\"",
        ),
        ("to-another", "why: n0 got", "the answer to it went to n1 (`{\"type\": \"echo_ok\""),
        ("buffered", "neither answered nor asked", "it hangs, or its answers stay in a buffer"),
        ("no-end", "neither answered nor asked", "it hangs, or its answers stay in a buffer"),
        ("deaf", "neither answered nor asked", "It printed nothing from then on"),
    ];
    at_once(&oddities, |(oddity, begin, said)| {
        let run = odd(oddity, 2, "-w echo --node-count 2 --rate 5", &[]).is(INVALID);
        run.says("never-ok").says("no reply in time").says(begin).says(said);
    });
}
