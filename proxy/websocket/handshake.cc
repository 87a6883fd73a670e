// Strict on both sides: what is accepted here decides how every byte after it is read.
#include "proxy/websocket/handshake.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "base/check.h"

namespace anchorhold::proxy::websocket {
namespace {

constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr std::string_view kKey = "sec-websocket-key";
constexpr std::string_view kAccept = "sec-websocket-accept";
constexpr std::string_view kVersion = "sec-websocket-version";
constexpr std::string_view kProtocol = "sec-websocket-protocol";
constexpr std::string_view kExtensions = "sec-websocket-extensions";

size_t count_of(const Fields& fields, std::string_view name) {
    return static_cast<size_t>(std::ranges::count(fields, name, &Field::name));
}

bool base64_character(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/';
}

// 16 bytes in base64: 22 characters, the last of which has four bits of zeros, and "==".
bool is_key(std::string_view value) {
    return value.size() == 24 && value.ends_with("==") &&
           std::ranges::all_of(value.substr(0, 22), base64_character) &&
           std::string_view("AQgw").find(value[21]) != std::string_view::npos;
}

std::string_view trimmed(std::string_view text) {
    const size_t from = text.find_first_not_of(" \t");
    if (from == std::string_view::npos) {
        return {};
    }
    return text.substr(from, text.find_last_not_of(" \t") - from + 1);
}

bool offered(const Fields& fields, std::string_view protocol) {
    for (const Field& field : fields) {
        if (field.name != kProtocol) {
            continue;
        }
        std::string_view rest = field.value;
        while (!rest.empty()) {
            const size_t comma = std::min(rest.find(','), rest.size());
            if (trimmed(rest.substr(0, comma)) == protocol) {
                return true;
            }
            rest.remove_prefix(std::min(comma + 1, rest.size()));
        }
    }
    return false;
}

}  // namespace

Result<std::string> check_request(RequestHead& head, Carrier carrier) {
    const bool http1 = carrier == Carrier::http1;
    if (head.method != (http1 ? "GET" : "CONNECT")) {
        return fail("WebSocket handshake: the method is " + head.method);
    }
    const Field* version = find_field(head.fields, kVersion);
    if (count_of(head.fields, kVersion) != 1 || version->value != "13") {
        return fail("WebSocket handshake: Sec-WebSocket-Version is not 13");
    }
    if (count_of(head.fields, kAccept) != 0) {
        return fail("WebSocket handshake: Sec-WebSocket-Accept in a request");
    }
    std::string key;
    if (http1) {
        const Field* field = find_field(head.fields, kKey);
        if (count_of(head.fields, kKey) != 1 || !is_key(field->value)) {
            return fail("WebSocket handshake: Sec-WebSocket-Key is not 16 bytes in base64");
        }
        key = field->value;
    } else {
        std::erase_if(head.fields, [](const Field& field) { return field.name == kKey; });
    }
    std::erase_if(head.fields, [](const Field& field) { return field.name == kExtensions; });
    return key;
}

Status check_answer(const RequestHead& request, const ResponseHead& answer, std::string_view key,
                    Carrier carrier) {
    if (carrier == Carrier::http1) {
        const Field* accept = find_field(answer.fields, kAccept);
        if (count_of(answer.fields, kAccept) != 1 || accept->value != accept_for(key)) {
            return fail("WebSocket handshake: the upstream's Sec-WebSocket-Accept is wrong");
        }
    }
    if (count_of(answer.fields, kExtensions) != 0) {
        return fail("WebSocket handshake: the upstream chose an extension nobody offered");
    }
    const Field* protocol = find_field(answer.fields, kProtocol);
    if (count_of(answer.fields, kProtocol) > 1 ||
        (protocol != nullptr && !offered(request.fields, protocol->value))) {
        return fail("WebSocket handshake: the upstream chose a subprotocol nobody offered");
    }
    return {};
}

std::string accept_for(std::string_view key) {
    std::string text(key);
    text += kGuid;
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    ANCHORHOLD_CHECK(
        EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr) == 1);
    std::array<unsigned char, 64> encoded{};
    const int length = EVP_EncodeBlock(encoded.data(), digest.data(), static_cast<int>(size));
    return {reinterpret_cast<const char*>(encoded.data()), static_cast<size_t>(length)};
}

}  // namespace anchorhold::proxy::websocket
