// A node. The functions given to on answer what clients and other nodes ask.
package main

import (
	"encoding/json"
	"errors"
	"io"
	"log"
	"os"
	"sync"
)

// Message is what goes over the network. Its body is decoded by whoever knows the type.
type Message struct {
	Src  string          `json:"src"`
	Dest string          `json:"dest"`
	Body json.RawMessage `json:"body"`
}

// Reply is the body of a reply; in_reply_to is added.
type Reply = map[string]any

// Handler answers messages of one type. Without a reply there is no answer.
type Handler = func(src string, body json.RawMessage) (Reply, error)

// NodeError is, as the error of a handler, the answer: an error with this code and text.
type NodeError struct {
	Code int
	Text string
}

func (e NodeError) Error() string { return e.Text }

var (
	nodeID   string
	nodeIDs  []string
	handlers = map[string]Handler{}
	// Lines of two goroutines must not mix.
	output sync.Mutex
)

// on has a function handle messages of this type.
func on(kind string, handler Handler) { handlers[kind] = handler }

// send sends a message to a client, a node or a service.
func send(dest string, body any) {
	encoded, err := json.Marshal(body)
	if err != nil {
		log.Fatal(err)
	}
	line, err := json.Marshal(Message{nodeID, dest, encoded})
	if err != nil {
		log.Fatal(err)
	}
	output.Lock()
	defer output.Unlock()
	// Standard output is not buffered. It is for messages alone; log writes to standard error.
	os.Stdout.Write(append(line, '\n'))
}

func register() {
	on("init", func(src string, body json.RawMessage) (Reply, error) {
		var init struct {
			NodeID  string   `json:"node_id"`
			NodeIDs []string `json:"node_ids"`
		}
		if err := json.Unmarshal(body, &init); err != nil {
			return nil, err
		}
		nodeID, nodeIDs = init.NodeID, init.NodeIDs
		return Reply{"type": "init_ok"}, nil
	})

	on("echo", func(src string, body json.RawMessage) (Reply, error) {
		var request struct {
			Echo json.RawMessage `json:"echo"`
		}
		if err := json.Unmarshal(body, &request); err != nil {
			return nil, err
		}
		return Reply{"type": "echo_ok", "echo": request.Echo}, nil
	})

	// {{handlers}}
}

// answer is the reply to a message, or nil.
func answer(kind, src string, body json.RawMessage) Reply {
	handler, known := handlers[kind]
	if !known {
		return failure(NodeError{10, "this node does not know messages of type " + kind})
	}
	reply, err := handler(src, body)
	if err != nil {
		return failure(err)
	}
	return reply
}

func failure(err error) Reply {
	var known NodeError
	if errors.As(err, &known) {
		return Reply{"type": "error", "code": known.Code, "text": known.Text}
	}
	log.Print(err)
	return Reply{"type": "error", "code": 13, "text": err.Error()}
}

func receive(message Message) {
	var header struct {
		Type      string `json:"type"`
		MsgID     *int64 `json:"msg_id"`
		InReplyTo *int64 `json:"in_reply_to"`
	}
	if err := json.Unmarshal(message.Body, &header); err != nil {
		log.Print(err)
		return
	}
	if header.InReplyTo != nil {
		// The answer to what this node sent with a msg_id of its own, which is in_reply_to.
		log.Printf("a reply from %s: %s", message.Src, message.Body)
		return
	}
	reply := answer(header.Type, message.Src, message.Body)
	if reply != nil && header.MsgID != nil {
		reply["in_reply_to"] = *header.MsgID
		send(message.Src, reply)
	}
}

func main() {
	register()
	// Lines may be of any length, which a bufio.Scanner refuses.
	input := json.NewDecoder(os.Stdin)
	for {
		var message Message
		switch err := input.Decode(&message); {
		case err == io.EOF:
			// Standard input ends when the test does.
			return
		case err != nil:
			log.Fatal(err)
		}
		receive(message)
	}
}
