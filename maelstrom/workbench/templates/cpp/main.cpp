// A node. The functions given to `on` answer what clients and other nodes ask.
#include <functional>
#include <iostream>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "json.hpp"

// Handles messages of one type, given the sender and the body. What it returns is the body of the
// reply, which gets `in_reply_to`; null is no reply.
using Handler = std::function<Json(const std::string& src, const Json& body)>;

// Thrown in a handler, it is the answer: an error with this code and text.
struct NodeError : std::runtime_error {
    long long code;
    NodeError(long long code, const std::string& text) : std::runtime_error(text), code(code) {}
};

static std::string node_id;
static std::vector<std::string> node_ids;
static std::map<std::string, Handler> handlers;
// Lines of two threads must not mix.
static std::mutex output;

// Has a function handle messages of this type.
static void on(const std::string& kind, Handler handler) { handlers[kind] = std::move(handler); }

// Sends a message to a client, a node or a service: a line, which nobody sees unflushed. Standard
// output is for messages alone; log to std::cerr.
static void send(const std::string& dest, const Json& body) {
    Json message = Json::object({{"src", node_id}, {"dest", dest}, {"body", body}});
    std::lock_guard<std::mutex> lock(output);
    std::cout << message.dump() << '\n' << std::flush;
}

static void register_handlers() {
    on("init", [](const std::string& src, const Json& body) {
        node_id = body["node_id"].text();
        for (const Json& id : body["node_ids"].items()) node_ids.push_back(id.text());
        return Json::object({{"type", "init_ok"}});
    });

    on("echo", [](const std::string& src, const Json& body) {
        return Json::object({{"type", "echo_ok"}, {"echo", body["echo"]}});
    });

    // {{handlers}}
}

// The reply to a message, or null.
static Json answer(const std::string& src, const Json& body) {
    const std::string kind = body["type"].text();
    auto failure = [](long long code, const std::string& text) {
        return Json::object({{"type", "error"}, {"code", code}, {"text", text}});
    };
    try {
        auto handler = handlers.find(kind);
        if (handler == handlers.end()) {
            throw NodeError(10, "this node does not know messages of type " + kind);
        }
        return handler->second(src, body);
    } catch (const NodeError& error) {
        return failure(error.code, error.what());
    } catch (const std::exception& error) {
        std::cerr << kind << " failed: " << error.what() << std::endl;
        return failure(13, kind + " failed: " + error.what());
    }
}

static void receive(const Json& message) {
    const std::string src = message["src"].text();
    const Json& body = message["body"];
    if (!body["in_reply_to"].is_null()) {
        // The answer to what this node sent with a `msg_id` of its own, which is `in_reply_to`.
        std::cerr << "a reply from " << src << ": " << body.dump() << std::endl;
        return;
    }
    Json reply = answer(src, body);
    if (!reply.is_null() && !body["msg_id"].is_null()) {
        reply.set("in_reply_to", body["msg_id"]);
        send(src, reply);
    }
}

int main() {
    std::ios::sync_with_stdio(false);
    register_handlers();
    // Standard input ends when the test does.
    for (std::string line; std::getline(std::cin, line);) receive(Json::parse(line));
}
