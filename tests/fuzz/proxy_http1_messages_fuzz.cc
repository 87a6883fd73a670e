// Heads that are taken hold no byte that ends a line; bodies read the same in one piece and byte by
// byte.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "proxy/http1/body_reader.h"
#include "proxy/http1/head_parser.h"

namespace {

using namespace anchorhold::proxy;
using namespace anchorhold::proxy::http1;

void check_fields(const Fields& fields) {
    for (const Field& field : fields) {
        ANCHORHOLD_CHECK(!field.name.empty());
        for (const char byte : field.name) {
            ANCHORHOLD_CHECK(byte > 0x20 && byte != ':' && byte != 0x7f &&
                             !(byte >= 'A' && byte <= 'Z'));
        }
        ANCHORHOLD_CHECK(field.value.find_first_of(std::string_view("\r\n\0", 3)) ==
                         std::string::npos);
        ANCHORHOLD_CHECK(field.name != "transfer-encoding" && field.name != "connection");
    }
}

struct Outcome {
    bool good = false;
    bool done = false;
    size_t consumed = 0;
    std::string body;
};

Outcome read_body(Framing framing, BodyReader::From from, std::string_view bytes, size_t step) {
    BodyReader reader(framing, from);
    Outcome outcome;
    while (outcome.consumed < bytes.size() && !reader.done()) {
        const auto used = reader.read(bytes.substr(outcome.consumed, step), outcome.body);
        if (!used) {
            return outcome;
        }
        outcome.consumed += *used;
    }
    outcome.good = true;
    outcome.done = reader.done();
    if (outcome.done) {
        check_fields(reader.trailers());
    }
    return outcome;
}

void check_body(Framing framing, BodyReader::From from, std::string_view bytes) {
    const Outcome whole = read_body(framing, from, bytes, bytes.size());
    const Outcome parts = read_body(framing, from, bytes, 1);
    ANCHORHOLD_CHECK(whole.good == parts.good && whole.done == parts.done);
    if (whole.good) {
        ANCHORHOLD_CHECK(whole.consumed == parts.consumed && whole.body == parts.body);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0 || size > 8192) {
        return 0;
    }
    const bool from_guest = (data[0] & 1) == 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    const auto length = head_length(bytes);
    if (!length || !*length) {
        return 0;
    }
    const std::string_view head = bytes.substr(0, **length);
    const std::string_view rest = bytes.substr(**length);
    if (from_guest) {
        if (const auto request = parse_request(head)) {
            ANCHORHOLD_CHECK(request->head.target.find_first_of(" \r\n") == std::string::npos);
            ANCHORHOLD_CHECK(request->framing.kind != Framing::Kind::until_close);
            check_fields(request->head.fields);
            check_body(request->framing, BodyReader::From::guest, rest);
        }
    } else if (const auto response = parse_response(head, "GET")) {
        ANCHORHOLD_CHECK(response->head.status >= 100 && response->head.status <= 599);
        check_fields(response->head.fields);
        check_body(response->framing, BodyReader::From::upstream, rest);
    }
    return 0;
}
