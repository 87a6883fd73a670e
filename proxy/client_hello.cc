// Records are joined, then the message is read once, front to back, by a reader that cannot leave
// its bytes.
#include "proxy/client_hello.h"

#include <algorithm>

namespace anchorhold::proxy {
namespace {

constexpr uint8_t kHandshake = 22;   // RFC 8446 §5.1
constexpr uint8_t kClientHello = 1;  // RFC 8446 §4
constexpr size_t kRecordHeader = 5;
constexpr size_t kMaxRecord = 16384;
constexpr size_t kMessageHeader = 4;

constexpr uint16_t kServerName = 0;  // RFC 6066 §1.1
constexpr uint16_t kAlpn = 16;       // RFC 7301 §3.1
constexpr uint16_t kEarlyData = 42;  // RFC 8446 §4.2

// Big-endian fields; after a read beyond the end `good` is false and stays so.
class Reader {
  public:
    explicit Reader(std::string_view bytes) : bytes_(bytes) {}

    size_t number(size_t width) {
        size_t value = 0;
        for (const char byte : take(width)) {
            value = value << 8 | static_cast<unsigned char>(byte);
        }
        return value;
    }
    std::string_view take(size_t count) {
        if (count > bytes_.size()) {
            good_ = false;
            bytes_ = {};
            return {};
        }
        const std::string_view taken = bytes_.substr(0, count);
        bytes_.remove_prefix(count);
        return taken;
    }
    // A vector with a length of `width` bytes before it (RFC 8446 §3.4).
    Reader vector(size_t width) {
        const size_t length = number(width);
        return Reader(take(length));
    }
    [[nodiscard]] bool empty() const { return bytes_.empty(); }
    [[nodiscard]] bool good() const { return good_; }
    [[nodiscard]] std::string_view rest() const { return bytes_; }

  private:
    std::string_view bytes_;
    bool good_ = true;
};

Status read_server_name(Reader extension, ClientHello& hello) {
    Reader list = extension.vector(2);
    if (!extension.good() || !extension.empty()) {
        return fail("the server name extension is malformed");
    }
    const size_t type = list.number(1);
    const Reader name = list.vector(2);
    if (!list.good() || !list.empty() || type != 0 || name.empty()) {
        return fail("the server name extension does not hold exactly one name");
    }
    hello.server_name = name.rest();
    return {};
}

Status read_alpn(Reader extension, ClientHello& hello) {
    Reader list = extension.vector(2);
    if (!extension.good() || !extension.empty() || list.empty()) {
        return fail("the ALPN extension is malformed");
    }
    while (!list.empty()) {
        const Reader protocol = list.vector(1);
        if (!list.good() || protocol.empty()) {
            return fail("the ALPN extension is malformed");
        }
        hello.alpn.emplace_back(protocol.rest());
    }
    return {};
}

Result<ClientHello> read_message(Reader message) {
    ClientHello hello;
    message.take(2);    // legacy_version
    message.take(32);   // random
    message.vector(1);  // legacy_session_id
    message.vector(2);  // cipher_suites
    message.vector(1);  // legacy_compression_methods
    if (!message.good()) {
        return fail("the ClientHello is cut off");
    }
    if (message.empty()) {
        return hello;
    }
    Reader extensions = message.vector(2);
    if (!message.good() || !message.empty()) {
        return fail("the ClientHello's extensions are malformed");
    }
    std::vector<size_t> seen;
    while (!extensions.empty()) {
        const size_t type = extensions.number(2);
        const Reader body = extensions.vector(2);
        if (!extensions.good()) {
            return fail("an extension of the ClientHello is cut off");
        }
        if (std::ranges::find(seen, type) != seen.end()) {
            return fail("an extension of the ClientHello stands twice");
        }
        seen.push_back(type);
        if (seen.size() > 256) {
            return fail("the ClientHello has too many extensions");
        }
        if (type == kServerName) {
            ANCHORHOLD_TRY(read_server_name(body, hello));
        } else if (type == kAlpn) {
            ANCHORHOLD_TRY(read_alpn(body, hello));
        } else if (type == kEarlyData) {
            hello.early_data = true;
        }
    }
    return hello;
}

}  // namespace

Result<std::optional<ClientHello>> parse_client_hello(std::span<const std::byte> bytes) {
    const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    std::string message;
    Reader records(all);
    while (records.rest().size() >= kRecordHeader) {
        const size_t type = records.number(1);
        const size_t version = records.number(2);
        const size_t length = records.number(2);
        if (type != kHandshake || version >> 8 != 3 || length == 0 || length > kMaxRecord) {
            return fail("the first bytes are no TLS handshake record");
        }
        const std::string_view part = records.rest().substr(0, length);
        records.take(part.size());
        message += part;
        if (message.size() >= kMessageHeader) {
            Reader header(message);
            const size_t kind = header.number(1);
            const size_t size = header.number(3);
            if (kind != kClientHello) {
                return fail("the first handshake message is no ClientHello");
            }
            if (size > kMaxClientHello) {
                return fail("the ClientHello is longer than 64 KiB");
            }
            if (header.rest().size() > size) {
                return fail("bytes follow the ClientHello before an answer");
            }
            if (header.rest().size() == size) {
                return std::optional(ANCHORHOLD_TRY(read_message(Reader(header.rest()))));
            }
        }
        if (part.size() < length) {
            break;
        }
    }
    return std::optional<ClientHello>();
}

}  // namespace anchorhold::proxy
