#!/usr/bin/env ruby
# A node. The blocks given to `on` answer what clients and other nodes ask.
require "json"

$stdin.set_encoding("UTF-8")
# Otherwise lines wait in a buffer.
$stdout.sync = true

$node_id = nil
$node_ids = []
HANDLERS = {}
OUTPUT = Mutex.new

# Raised in a handler, it is the answer: an error with this code and text.
class NodeError < StandardError
  attr_reader :code

  def initialize(code, text)
    super(text)
    @code = code
  end
end

# Standard output is for messages alone.
def log(text)
  $stderr.puts text
end

# Sends a message to a client, a node or a service.
def send_message(dest, body)
  line = JSON.generate({ src: $node_id, dest: dest, body: body })
  OUTPUT.synchronize { $stdout.write(line, "\n") }
end

# Has a block handle messages of this type. Its value is the body of the reply, which gets
# `in_reply_to`; nil is no reply.
def on(kind, &handler)
  HANDLERS[kind] = handler
end

on "init" do |src, body|
  $node_id = body["node_id"]
  $node_ids = body["node_ids"]
  { type: "init_ok" }
end

on "echo" do |src, body|
  { type: "echo_ok", echo: body["echo"] }
end

# {{handlers}}

# The reply to a message, or nil.
def answer(src, body)
  handler = HANDLERS[body["type"]]
  raise NodeError.new(10, "this node does not know messages of type #{body["type"]}") unless handler

  handler.call(src, body)
rescue NodeError => e
  { type: "error", code: e.code, text: e.message }
rescue StandardError => e
  log e.full_message(highlight: false)
  { type: "error", code: 13, text: "#{body["type"]} failed: #{e.message}" }
end

def receive(message)
  src, body = message.values_at("src", "body")
  if body.key?("in_reply_to")
    # The answer to what this node sent with a `msg_id` of its own, which is `in_reply_to`.
    log "a reply from #{src}: #{body}"
    return
  end
  reply = answer(src, body)
  send_message(src, { **reply, in_reply_to: body["msg_id"] }) if reply && body.key?("msg_id")
end

# Standard input ends when the test does.
$stdin.each_line { |line| receive(JSON.parse(line)) }
