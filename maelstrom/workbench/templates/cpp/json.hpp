// JSON, as much of it as a node needs. Numbers keep their text, so integers may be of any length.
#pragma once

#include <cstdio>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

class Json {
public:
    using Field = std::pair<std::string, Json>;

    Json() = default;
    Json(std::nullptr_t) {}
    Json(bool value) : kind_(Kind::Word), text_(value ? "true" : "false") {}
    Json(int number) : Json(static_cast<long long>(number)) {}
    Json(long long number) : kind_(Kind::Word), text_(std::to_string(number)) {}
    Json(const char* text) : kind_(Kind::String), text_(text) {}
    Json(std::string text) : kind_(Kind::String), text_(std::move(text)) {}

    static Json object(std::vector<Field> fields) {
        Json value(Kind::Object, "");
        value.fields_ = std::move(fields);
        return value;
    }

    static Json array(std::vector<Json> items) {
        Json value(Kind::Array, "");
        value.items_ = std::move(items);
        return value;
    }

    static Json parse(const std::string& text);
    std::string dump() const;

    bool is_null() const { return kind_ == Kind::Null; }
    // The text of a string; empty, if it is none.
    std::string text() const { return kind_ == Kind::String ? text_ : ""; }
    // An integer. Throws, if it is none.
    long long integer() const { return std::stoll(kind_ == Kind::Word ? text_ : ""); }
    // The elements of an array, and the fields of an object; none of anything else.
    const std::vector<Json>& items() const { return items_; }
    const std::vector<Field>& fields() const { return fields_; }

    // body["key"]: null, if there is no such field.
    const Json& operator[](const std::string& name) const;

    // Sets a field of an object.
    void set(const std::string& name, Json value);

private:
    // A word is a number, true or false.
    enum class Kind { Null, Word, String, Array, Object };
    struct Parser;

    Json(Kind kind, std::string text) : kind_(kind), text_(std::move(text)) {}
    void dump(std::string& out) const;
    static void quote(const std::string& text, std::string& out);

    Kind kind_ = Kind::Null;
    std::string text_;
    std::vector<Json> items_;
    std::vector<Field> fields_;
};

inline const Json& Json::operator[](const std::string& name) const {
    static const Json null;
    for (const Field& field : fields_) {
        if (field.first == name) return field.second;
    }
    return null;
}

inline void Json::set(const std::string& name, Json value) {
    for (Field& field : fields_) {
        if (field.first == name) {
            field.second = std::move(value);
            return;
        }
    }
    fields_.emplace_back(name, std::move(value));
}

inline std::string Json::dump() const {
    std::string out;
    dump(out);
    return out;
}

inline void Json::dump(std::string& out) const {
    switch (kind_) {
        case Kind::Null: out += "null"; break;
        case Kind::Word: out += text_; break;
        case Kind::String: quote(text_, out); break;
        case Kind::Array:
            out += '[';
            for (std::size_t i = 0; i < items_.size(); i++) {
                if (i > 0) out += ',';
                items_[i].dump(out);
            }
            out += ']';
            break;
        case Kind::Object:
            out += '{';
            for (std::size_t i = 0; i < fields_.size(); i++) {
                if (i > 0) out += ',';
                quote(fields_[i].first, out);
                out += ':';
                fields_[i].second.dump(out);
            }
            out += '}';
            break;
    }
}

inline void Json::quote(const std::string& text, std::string& out) {
    out += '"';
    for (char c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (static_cast<unsigned char>(c) < 0x20) {
            char code[8];
            std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(c));
            out += code;
        } else {
            out += c;
        }
    }
    out += '"';
}

struct Json::Parser {
    const std::string& text;
    std::size_t at = 0;

    std::runtime_error wrong(const std::string& expected) const {
        return std::runtime_error("expected " + expected + " at byte " + std::to_string(at));
    }

    // The next byte that is not white space; 0 at the end.
    char peek() {
        while (at < text.size() && (text[at] == ' ' || (text[at] >= '\t' && text[at] <= '\r'))) at++;
        return at < text.size() ? text[at] : '\0';
    }

    bool take(char c) {
        bool is_next = peek() == c;
        at += is_next;
        return is_next;
    }

    void expect(char c) {
        if (!take(c)) throw wrong(std::string(1, c));
    }

    Json value() {
        switch (peek()) {
            case '{': return object();
            case '[': return array();
            case '"': return Json(string());
            case 'n': word("null"); return Json();
            case 't': word("true"); return Json(true);
            case 'f': word("false"); return Json(false);
            default: return number();
        }
    }

    void word(const std::string& word) {
        if (text.compare(at, word.size(), word) != 0) throw wrong(word);
        at += word.size();
    }

    Json number() {
        std::size_t end = text.find_first_not_of("+-.eE0123456789", at);
        if (end == std::string::npos) end = text.size();
        if (end == at) throw wrong("a value");
        Json number(Kind::Word, text.substr(at, end - at));
        at = end;
        return number;
    }

    Json array() {
        expect('[');
        std::vector<Json> items;
        while (!take(']')) {
            if (!items.empty()) expect(',');
            items.push_back(value());
        }
        return Json::array(std::move(items));
    }

    Json object() {
        expect('{');
        std::vector<Field> fields;
        while (!take('}')) {
            if (!fields.empty()) expect(',');
            peek();
            std::string name = string();
            expect(':');
            fields.emplace_back(std::move(name), value());
        }
        return Json::object(std::move(fields));
    }

    std::string string() {
        expect('"');
        std::string out;
        while (at < text.size()) {
            char c = text[at++];
            if (c == '"') return out;
            if (c == '\\') {
                escape(out);
            } else {
                out += c;
            }
        }
        throw wrong("the end of a string");
    }

    // Appends the character that follows after a backslash.
    void escape(std::string& out) {
        char c = at < text.size() ? text[at++] : '\0';
        switch (c) {
            case 'b': out += '\b'; break;
            case 'f': out += '\f'; break;
            case 'n': out += '\n'; break;
            case 'r': out += '\r'; break;
            case 't': out += '\t'; break;
            case 'u': append(code_point(), out); break;
            default: out += c; break;
        }
    }

    unsigned long hex() {
        at += 4;
        return std::stoul(text.substr(at - 4, 4), nullptr, 16);
    }

    // Half of a pair is no character.
    unsigned long code_point() {
        unsigned long first = hex();
        if (first >= 0xd800 && first < 0xdc00 && text.compare(at, 2, "\\u") == 0) {
            at += 2;
            return 0x10000 + ((first - 0xd800) << 10) + ((hex() - 0xdc00) & 0x3ff);
        }
        return first >= 0xd800 && first < 0xe000 ? 0xfffd : first;
    }

    // As UTF-8.
    static void append(unsigned long code, std::string& out) {
        if (code < 0x80) {
            out += static_cast<char>(code);
        } else if (code < 0x800) {
            out += static_cast<char>(0xc0 | (code >> 6));
            out += static_cast<char>(0x80 | (code & 0x3f));
        } else if (code < 0x10000) {
            out += static_cast<char>(0xe0 | (code >> 12));
            out += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
            out += static_cast<char>(0x80 | (code & 0x3f));
        } else {
            out += static_cast<char>(0xf0 | (code >> 18));
            out += static_cast<char>(0x80 | ((code >> 12) & 0x3f));
            out += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
            out += static_cast<char>(0x80 | (code & 0x3f));
        }
    }
};

inline Json Json::parse(const std::string& text) {
    Parser parser{text};
    Json value = parser.value();
    if (parser.peek() != '\0') throw parser.wrong("the end");
    return value;
}
