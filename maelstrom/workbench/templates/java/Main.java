import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A node. The functions given to `on` answer what clients and other nodes ask. */
public final class Main {
    /**
     * Handles messages of one type, given the sender and the body. What it returns is the body of
     * the reply, which gets `in_reply_to`; null is no reply.
     */
    interface Handler {
        Map<String, Object> handle(String src, Map<String, Object> body) throws Exception;
    }

    /** Thrown in a handler, it is the answer: an error with this code and text. */
    static final class NodeError extends Exception {
        private static final long serialVersionUID = 1;
        final long code;

        NodeError(long code, String text) {
            super(text);
            this.code = code;
        }
    }

    private static final PrintStream OUTPUT = System.out;
    private static final Map<String, Handler> HANDLERS = new HashMap<>();
    private static String nodeId;
    private static List<Object> nodeIds;

    /** Has a function handle messages of this type. */
    static void on(String kind, Handler handler) {
        HANDLERS.put(kind, handler);
    }

    /** Standard output is for messages alone. */
    static void log(String text) {
        System.err.println(text);
    }

    /** Sends a message to a client, a node or a service: a line, which nobody sees unflushed. */
    static synchronized void send(String dest, Map<String, Object> body) {
        String line = Json.write(Json.object("src", nodeId, "dest", dest, "body", body)) + "\n";
        byte[] bytes = line.getBytes(StandardCharsets.UTF_8);
        OUTPUT.write(bytes, 0, bytes.length);
        OUTPUT.flush();
    }

    private static void register() {
        on("init", (src, body) -> {
            nodeId = (String) body.get("node_id");
            nodeIds = Json.list(body.get("node_ids"));
            return Json.object("type", "init_ok");
        });

        on("echo", (src, body) -> {
            return Json.object("type", "echo_ok", "echo", body.get("echo"));
        });

        // {{handlers}}
    }

    /** The reply to a message, or null. */
    private static Map<String, Object> answer(String src, Map<String, Object> body) {
        String kind = String.valueOf(body.get("type"));
        try {
            Handler handler = HANDLERS.get(kind);
            if (handler == null) {
                throw new NodeError(10, "this node does not know messages of type " + kind);
            }
            return handler.handle(src, body);
        } catch (NodeError error) {
            return Json.object("type", "error", "code", error.code, "text", error.getMessage());
        } catch (Exception error) {
            error.printStackTrace();
            return Json.object("type", "error", "code", 13L, "text", kind + " failed: " + error);
        }
    }

    private static void receive(Map<String, Object> message) {
        String src = (String) message.get("src");
        Map<String, Object> body = Json.map(message.get("body"));
        if (body.containsKey("in_reply_to")) {
            // The answer to what this node sent with a `msg_id` of its own, which is `in_reply_to`.
            log("a reply from " + src + ": " + Json.write(body));
            return;
        }
        Map<String, Object> reply = answer(src, body);
        if (reply != null && body.containsKey("msg_id")) {
            reply = new LinkedHashMap<>(reply);
            reply.put("in_reply_to", body.get("msg_id"));
            send(src, reply);
        }
    }

    public static void main(String[] args) throws IOException {
        register();
        BufferedReader input =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        // Standard input ends when the test does.
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            receive(Json.map(Json.parse(line)));
        }
        // Threads that still run would keep the process alive.
        System.exit(0);
    }
}
