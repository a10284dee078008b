//! Operations as the original's `history.edn` has them.

use super::{Op, OpType, Process, raw};
use crate::edn::{Place, Spelling, from_json};

impl Op {
    /// The operation as a line of the original's `history.edn`, without its line break.
    /// [`read`](super::read) reads it.
    pub fn to_edn(&self) -> String {
        from_json(raw(self).get(), |place| match place.field {
            _ if place.depth == 1 && place.is_key => Spelling::Keyword,
            "type" | "process" | "f" => Spelling::Keyword,
            "error" => spell_error(place),
            "unseen" => match place.depth {
                2 if place.is_key => Spelling::Number,
                _ if place.is_key => Spelling::Keyword,
                _ => Spelling::Plain,
            },
            "value" => self.spell_value(place),
            _ => Spelling::Plain,
        })
    }

    fn spell_value(&self, place: Place<'_>) -> Spelling {
        let is_name = match (self.process, &*self.f) {
            (Process::Nemesis, _) if place.text.is_empty() => {
                return if place.depth > 2 { Spelling::Set } else { Spelling::Plain };
            }
            (Process::Nemesis, _) => !is_node(place.text),
            (_, "txn" | "send" | "poll") => place.depth == 3 && place.index == 0 && !place.is_key,
            (_, "echo") => self.kind == OpType::Ok && place.depth == 2 && place.is_key,
            _ => false,
        };
        if is_name { Spelling::Keyword } else { Spelling::Plain }
    }
}

/// `:net-timeout`, `[:abort "text"]`; anything else is text.
fn spell_error(place: Place<'_>) -> Spelling {
    let is_name = match place.depth {
        1 => place.text == "net-timeout",
        depth => depth == 2 && place.index == 0,
    };
    if is_name { Spelling::Keyword } else { Spelling::Plain }
}

fn is_node(name: &str) -> bool {
    let digits = name.strip_prefix('n').unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;

    #[test]
    fn operations_are_spelled_as_in_the_original() {
        for (json, edn) in [
            (
                r#""type":"invoke","process":0,"f":"txn","value":[["r",9,null],["append",1,2]]"#,
                ":type :invoke, :process 0, :f :txn, :value [[:r 9 nil] [:append 1 2]]",
            ),
            (
                r#""type":"ok","process":4,"f":"poll","value":[["poll",{"56":[[4,5],[5,"a"]]}]]"#,
                r#":type :ok, :process 4, :f :poll, :value [[:poll {"56" [[4 5] [5 "a"]]}]]"#,
            ),
            (
                r#""type":"ok","process":0,"f":"echo","value":{"echo":{"a":1},"in_reply_to":3}"#,
                r#":type :ok, :process 0, :f :echo, :value {:echo {"a" 1}, :in_reply_to 3}"#,
            ),
            (
                r#""type":"fail","process":2,"f":"read","value":null,"error":["abort","no"],"final?":true"#,
                r#":type :fail, :process 2, :f :read, :value nil, :error [:abort "no"], :final? true"#,
            ),
            (
                r#""type":"info","process":2,"f":"cas","value":[0,[1,2]],"error":"net-timeout""#,
                ":type :info, :process 2, :f :cas, :value [0 [1 2]], :error :net-timeout",
            ),
            (
                r#""type":"info","process":2,"f":"add","value":"net-timeout","error":"it broke""#,
                r#":type :info, :process 2, :f :add, :value "net-timeout", :error "it broke""#,
            ),
            (
                r#""type":"info","process":"nemesis","f":"start-partition","value":["isolated",{"n0":["n1","n2"]}]"#,
                r#":type :info, :process :nemesis, :f :start-partition, :value [:isolated {"n0" #{"n1" "n2"}}]"#,
            ),
            (
                r#""type":"info","process":"nemesis","f":"kill","value":{"n1":"killed"}"#,
                r#":type :info, :process :nemesis, :f :kill, :value {"n1" :killed}"#,
            ),
            (
                r#""type":"ok","process":4,"f":"assign","value":["1"],"unseen":{"1":{"polled":-1,"sent":3}}"#,
                r#":type :ok, :process 4, :f :assign, :value ["1"], :unseen {1 {:polled -1, :sent 3}}"#,
            ),
        ] {
            let json = format!(r#"{{"index":3,"time":1500000,{json}}}"#);
            let op: Op = serde_json::from_str(&json).unwrap();
            assert_eq!(op.to_edn(), format!("{{:index 3, :time 1500000, {edn}}}"));
            let back = read(op.to_edn().as_bytes()).unwrap().next().unwrap().unwrap();
            assert_eq!(serde_json::to_string(&back).unwrap(), json);
        }
    }
}
