#!/bin/sh
# A node for echo, unique-ids, broadcast and txn-rw-register with a bad quirk, which
# its argument names. Its registers forget everything, its broadcasts stay at home,
# unless the quirk says otherwise.
quirk=$1 me='' nodes='' seen='' count=0

# The value of a field of the message in $line: a string without its quotes, or a
# scalar; not to be used for a list or an object.
field() {
  value=${line#*\"$1\":}
  value=${value# }
  case $value in
    \"*) value=${value#\"} value=${value%%\"*} ;;
    *) value=${value%%[,\}\]]*} ;;
  esac
}

# The list in a field, without its brackets.
list() {
  value=${line#*\"$1\":\[}
  value=${value%%\]*}
}

# send DEST BODY [SRC]
send() {
  printf '{"src":"%s","dest":"%s","body":%s}\n' "${3:-$me}" "$1" "$2"
}

# The other nodes' names.
others() {
  others=''
  for node in $nodes; do [ "$node" = "$me" ] || others="$others $node"; done
}

# What the answer to anything but `init` looks like, with fields $1.
answer() {
  body="{$1,\"in_reply_to\":$id}"
  case $quirk in
    two-on-a-line) printf '{"src":"%s","dest":"%s","body":%s}{"x":1}\n' "$me" "$src" "$body" ;;
    trailing-nul) printf '{"src":"%s","dest":"%s","body":%s}\0\n' "$me" "$src" "$body" ;;
    trailing-text) printf '{"src":"%s","dest":"%s","body":%s} # ok\n' "$me" "$src" "$body" ;;
    carriage-return) printf '{"src":"%s","dest":"%s","body":%s}\r\n' "$me" "$src" "$body" ;;
    id-null) printf '{"id":null,"src":"%s","dest":"%s","body":%s}\n' "$me" "$src" "$body" ;;
    no-body) printf '{"src":"%s","dest":"%s"}\n' "$me" "$src" ;;
    twice) send "$src" "$body"; send "$src" "$body" ;;
    as-another-node) others; send "$src" "$body" "${others# }" ;;
    as-nobody) send "$src" "$body" n99 ;;
    as-a-former-client) send "$src" "$body" c0 ;;
    no-end-of-line-later) printf '{"src":"%s","dest":"%s","body":%s}' "$me" "$src" "$body" ;;
    *) send "$src" "$body" ;;
  esac
}

# The answer of type $1, with more fields $2 (each after a comma).
ok() {
  case $quirk in
    no-type) answer "\"x\":0$2" ;;
    type-of-request) answer "\"type\":\"${1%_ok}\"$2" ;;
    type-number) answer "\"type\":5$2" ;;
    msg-id-null) answer "\"type\":\"$1\",\"msg_id\":null$2" ;;
    msg-id-string) answer "\"type\":\"$1\",\"msg_id\":\"7\"$2" ;;
    extra-field) answer "\"type\":\"$1\",\"extra\":1$2" ;;
    error) answer '"type":"error","code":11,"text":"too busy"' ;;
    error-own-code) answer '"type":"error","code":1234,"text":"my own"' ;;
    error-string-code) answer '"type":"error","code":"11","text":"too busy"' ;;
    not-utf-8) answer "\"type\":\"error\",\"code\":14,\"text\":\"$(printf '\377')\"" ;;
    error-without-text) answer '"type":"error","code":14' ;;
    in-reply-to-string) id="\"$id\"" answer "\"type\":\"$1\"$2" ;;
    in-reply-to-float) id="$id.0" answer "\"type\":\"$1\"$2" ;;
    in-reply-to-null) id=null answer "\"type\":\"$1\"$2" ;;
    *) answer "\"type\":\"$1\"$2" ;;
  esac
}

initialise() {
  field node_id; me=$value
  list node_ids; nodes=$(printf %s "$value" | tr -d '"' | tr ',' ' ')
  case $quirk in
    init-null-msg-id) send "$src" "{\"type\":\"init_ok\",\"msg_id\":null,\"in_reply_to\":$id}" ;;
    init-string-msg-id) send "$src" "{\"type\":\"init_ok\",\"msg_id\":\"1\",\"in_reply_to\":$id}" ;;
    init-extra-field) send "$src" "{\"type\":\"init_ok\",\"nodes\":[1],\"in_reply_to\":$id}" ;;
    init-type) send "$src" "{\"type\":\"init\",\"in_reply_to\":$id}" ;;
    init-twice) send "$src" "{\"type\":\"init_ok\",\"in_reply_to\":$id}"
      send "$src" "{\"type\":\"init_ok\",\"in_reply_to\":$id}" ;;
    init-in-reply-to-string) send "$src" "{\"type\":\"init_ok\",\"in_reply_to\":\"$id\"}" ;;
    no-end-of-line) printf '{"src":"%s","dest":"%s","body":{"type":"init_ok","in_reply_to":%s}}' "$me" "$src" "$id" ;;
    no-answer) ;;
    *) send "$src" "{\"type\":\"init_ok\",\"in_reply_to\":$id}" ;;
  esac
}

# Dies as programs in many languages do: the reason, then a long trace.
die() {
  echo "connected" >&2
  case $quirk in
    panics-as-go) printf 'panic: assignment to entry in nil map\n\ngoroutine 1 [running]:\n' >&2 ;;
    panics-as-rust) printf "thread 'main' panicked at src/main.rs:3:5:\nindex out of bounds\nstack backtrace:\n" >&2 ;;
    panics-as-java) printf 'Exception in thread "main" java.lang.IllegalStateException: no leader\n' >&2 ;;
    panics-as-node) printf "/node.js:7\n    throw e\n    ^\n\nTypeError: x is not a function\n" >&2 ;;
    panics-as-python) printf 'Traceback (most recent call last):\n  File "n.py", line 3\nKeyError: 7\n' >&2 ;;
    half-a-line) printf '{"src":"%s","dest"' "$me" ;;
  esac
  trace=0
  while [ $trace -lt 60 ]; do trace=$((trace + 1)); echo "	at frame $trace" >&2; done
  exit 2
}

while read -r line; do
  field src; src=$value
  id=null; case $line in *'"msg_id":'*) field msg_id; id=$value ;; esac
  body=${line#*\"body\":}
  case $body in
    *'"type":"init"'*) initialise ;;
    *'"type":"topology"'*) send "$src" "{\"type\":\"topology_ok\",\"in_reply_to\":$id}" ;;
    *'"type":"echo"'*)
      case $quirk in
        panics-*|half-a-line) die ;;
        endless-line) cat /dev/zero ;;
        says-hello) echo hello ;;
        loses-a-thread)
          printf 'Exception in thread Thread-1 (tell):\nTraceback (most recent call last):\n' >&2
          printf '  File "node.py", line 3, in tell\nRuntimeError: changed size\n' >&2 ;;
        sends-a-list) echo '[]' ;;
        floods)
          others
          for node in $others; do
            [ "$node" = "$src" ] || send "$node" '{"type":"echo","echo":0}'
          done
          if [ "$id" = null ]; then continue; fi ;;
        relays)
          # Passes the request on in the client's name, to whoever comes first.
          first=${nodes%% *}
          if [ "$me" != "$first" ]; then send "$first" "${body%\}}" "$src"; continue; fi ;;
      esac
      field echo
      ok echo_ok ",\"echo\":\"$value\"" ;;
    *'"type":"generate"'*) count=$((count + 1)); ok generate_ok ",\"id\":\"$me-$count\"" ;;
    *'"type":"txn"'*)
      case $quirk in
        empty-transaction) ok txn_ok ',"txn":[]' ;;
        null-transaction) ok txn_ok ',"txn":null' ;;
        *) txn=${body#*\"txn\":}; ok txn_ok ",\"txn\":${txn%\}\}}" ;;
      esac ;;
    *'"type":"broadcast"'*)
      field message; message=$value
      case " $seen " in *" $message "*) known=1 ;; *) known=0 seen="$seen $message" ;; esac
      others
      case $quirk in
        odd-ids)
          if [ $known = 0 ]; then
            for node in $others; do
              send "$node" "{\"type\":\"broadcast\",\"message\":$message,\"msg_id\":null,\"in_reply_to\":\"z\"}"
            done
          fi ;;
      esac
      [ "$id" = null ] || ok broadcast_ok '' ;;
    *'"type":"read"'*)
      values=$(printf %s "${seen# }" | tr ' ' ',')
      case $quirk in
        read-names-values) ok read_ok ",\"values\":[$values]" ;;
        *) ok read_ok ",\"messages\":[$values]" ;;
      esac ;;
  esac
done
