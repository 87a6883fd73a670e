// Fields keep their order; framing and Connection come last.
#include "proxy/http1/head_writer.h"

namespace anchorhold::proxy::http1 {
namespace {

std::string_view phrase(unsigned status) {
    switch (status) {
        case 200:
            return "OK";
        case 400:
            return "Bad Request";
        case 403:
            return "Forbidden";
        case 413:
            return "Content Too Large";
        case 421:
            return "Misdirected Request";
        case 429:
            return "Too Many Requests";
        case 502:
            return "Bad Gateway";
        case 503:
            return "Service Unavailable";
        default:
            return "";
    }
}

void append_framing(std::string& out, const Framing& framing) {
    switch (framing.kind) {
        case Framing::Kind::none:
            break;
        case Framing::Kind::length:
            out += "content-length: ";
            out += std::to_string(framing.length);
            out += "\r\n";
            break;
        case Framing::Kind::chunked:
        case Framing::Kind::until_close:
            out += "transfer-encoding: chunked\r\n";
            break;
    }
}

void append_upgrade(std::string& out, std::string_view protocol) {
    out += "connection: upgrade\r\nupgrade: ";
    out += protocol;
    out += "\r\n";
}

}  // namespace

void append_fields(std::string& out, const Fields& fields) {
    for (const Field& field : fields) {
        out += field.name;
        out += ": ";
        out += field.value;
        out += "\r\n";
    }
}

void append_request(std::string& out, const RequestHead& head, const Framing& framing,
                    bool expects_continue) {
    out.reserve(out.size() + 512);
    out += head.method;
    out += ' ';
    out += head.target;
    out += " HTTP/1.1\r\nhost: ";
    out += head.authority;
    out += "\r\n";
    append_fields(out, head.fields);
    append_framing(out, framing);
    if (expects_continue) {
        out += "expect: 100-continue\r\n";
    }
    if (!head.protocol.empty()) {
        append_upgrade(out, head.protocol);
    }
    out += "\r\n";
}

void append_response(std::string& out, unsigned status, std::string_view reason,
                     const Fields& fields, const Framing& framing, bool keep_alive,
                     std::string_view upgrade) {
    out.reserve(out.size() + 512);
    out += "HTTP/1.1 ";
    out += std::to_string(status);
    out += ' ';
    out += reason;
    out += "\r\n";
    append_fields(out, fields);
    append_framing(out, framing);
    if (!upgrade.empty()) {
        append_upgrade(out, upgrade);
    } else if (!keep_alive) {
        out += "connection: close\r\n";
    }
    out += "\r\n";
}

void append_denial(std::string& out, const Denial& denial, bool with_body, bool keep_alive) {
    Fields fields = denial.fields;
    fields.push_back({"content-type", denial.content_type});
    fields.push_back({"cache-control", "no-store"});
    append_response(out, denial.status, phrase(denial.status), fields,
                    {Framing::Kind::length, denial.body.size()}, keep_alive);
    if (with_body) {
        out += denial.body;
    }
}

}  // namespace anchorhold::proxy::http1
