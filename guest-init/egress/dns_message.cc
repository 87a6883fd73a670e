// A cursor over the bytes; nothing is read that was not checked to be there.
#include "guest-init/egress/dns_message.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace anchorhold::guest_init::dns {
namespace {

// RFC 1035 §4.1.1: six 16-bit fields in network order.
constexpr size_t kHeaderSize = 12;
constexpr uint16_t kIsAnswer = 0x8000;
constexpr uint16_t kOpcodeMask = 0x7800;
constexpr uint16_t kRecursionDesired = 0x0100;
constexpr uint16_t kCheckingDisabled = 0x0010;
constexpr uint16_t kRecursionAvailable = 0x0080;

constexpr uint16_t kTypeSoa = 6;
constexpr uint16_t kTypeOpt = 41;                // RFC 6891 §6.1.2
constexpr uint16_t kOurPayloadSize = kMaxQuery;  // what we take over UDP
constexpr size_t kMaxName = 255;                 // RFC 1035 §2.3.4
constexpr size_t kMaxLabel = 63;
constexpr unsigned kMaxRecords = 4;  // of a query: an OPT, maybe a signature
constexpr uint16_t kNameOfQuestion = 0xc000 | kHeaderSize;

class Reader {
  public:
    explicit Reader(std::span<const uint8_t> message) : message_(message) {}

    [[nodiscard]] size_t position() const { return position_; }
    [[nodiscard]] bool failed() const { return failed_; }

    uint8_t byte() {
        if (position_ >= message_.size()) {
            failed_ = true;
            return 0;
        }
        return message_[position_++];
    }
    uint16_t number() {
        const auto high = byte();
        return static_cast<uint16_t>((high << 8) | byte());
    }
    void skip(size_t count) {
        if (count > message_.size() - position_) {
            failed_ = true;
        } else {
            position_ += count;
        }
    }

  private:
    std::span<const uint8_t> message_;
    size_t position_ = 0;
    bool failed_ = false;
};

bool is_plain(uint8_t c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

void append_escaped(std::string& name, uint8_t c) {
    const auto lower = static_cast<uint8_t>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    if (is_plain(lower)) {
        name.push_back(static_cast<char>(lower));
        return;
    }
    // RFC 1035 §5.1: what has a meaning of its own, or none that can be printed.
    name.push_back('\\');
    for (const int power : {100, 10, 1}) {
        name.push_back(static_cast<char>('0' + lower / power % 10));
    }
}

// RFC 1035 §3.1, without §4.1.4's compression.
bool read_name(Reader& reader, std::string& name) {
    const size_t start = reader.position();
    for (;;) {
        const uint8_t length = reader.byte();
        if (reader.failed() || length > kMaxLabel) {
            return false;
        }
        if (length == 0) {
            return reader.position() - start <= kMaxName;
        }
        if (reader.position() - start + length > kMaxName) {
            return false;
        }
        if (!name.empty()) {
            name.push_back('.');
        }
        for (unsigned i = 0; i < length; ++i) {
            append_escaped(name, reader.byte());
        }
    }
}

// The additional records of a query: true where they can be stepped over. Sets whether one is OPT,
// and its version.
bool read_records(Reader& reader, unsigned count, Query& query, uint8_t& version) {
    for (unsigned i = 0; i < count; ++i) {
        std::string owner;
        if (!read_name(reader, owner)) {
            return false;
        }
        const uint16_t type = reader.number();
        reader.number();  // class, or OPT's payload size: our answers are small enough for any
        reader.byte();    // TTL, or OPT's extended code,
        const uint8_t second = reader.byte();  // its version
        reader.number();                       // and its flags
        reader.skip(reader.number());
        if (type == kTypeOpt) {
            if (query.extended || !owner.empty()) {
                return false;  // RFC 6891 §6.1.1: one, owned by the root
            }
            query.extended = true;
            version = second;
        }
    }
    return !reader.failed();
}

class Writer {
  public:
    void byte(uint8_t value) { bytes_.push_back(static_cast<char>(value)); }
    void number(uint16_t value) {
        byte(static_cast<uint8_t>(value >> 8));
        byte(static_cast<uint8_t>(value));
    }
    void wide(uint32_t value) {
        number(static_cast<uint16_t>(value >> 16));
        number(static_cast<uint16_t>(value));
    }
    void bytes(std::span<const uint8_t> value) {
        bytes_.append(reinterpret_cast<const char*>(value.data()), value.size());
    }
    [[nodiscard]] std::string take() { return std::move(bytes_); }

  private:
    std::string bytes_;
};

struct Counts {
    uint16_t questions = 0;
    uint16_t answers = 0;
    uint16_t authorities = 0;
    uint16_t additionals = 0;
};

void write_header(Writer& out, const Header& header, ResponseCode code, const Counts& counts) {
    const auto kept =
        static_cast<uint16_t>(header.flags & (kOpcodeMask | kRecursionDesired | kCheckingDisabled));
    out.number(header.id);
    out.number(static_cast<uint16_t>(kIsAnswer | kRecursionAvailable | kept |
                                     static_cast<uint16_t>(code)));
    out.number(counts.questions);
    out.number(counts.answers);
    out.number(counts.authorities);
    out.number(counts.additionals);
}

void write_record_start(Writer& out, uint16_t type, uint32_t ttl, uint16_t length) {
    out.number(kNameOfQuestion);
    out.number(type);
    out.number(kClassIn);
    out.wide(ttl);
    out.number(length);
}

void write_opt(Writer& out, const Query& query) {
    if (query.extended) {
        out.byte(0);  // the root
        out.number(kTypeOpt);
        out.number(kOurPayloadSize);
        out.wide(0);
        out.number(0);
    }
}

}  // namespace

std::optional<std::variant<Query, Refusal>> parse_query(std::span<const uint8_t> message) {
    using Parsed = std::variant<Query, Refusal>;
    if (message.size() < kHeaderSize) {
        return std::nullopt;
    }
    Reader reader(message);
    Query query;
    query.header.id = reader.number();
    query.header.flags = reader.number();
    const uint16_t questions = reader.number();
    const uint16_t answers = reader.number();
    const uint16_t authorities = reader.number();
    const uint16_t additionals = reader.number();
    if ((query.header.flags & kIsAnswer) != 0) {
        return std::nullopt;  // two stubs must not talk to each other for ever
    }
    const auto refuse = [&query](ResponseCode code) { return Parsed(Refusal{query.header, code}); };
    if ((query.header.flags & kOpcodeMask) != 0) {
        return refuse(ResponseCode::kNotImplemented);
    }
    if (message.size() > kMaxQuery || questions != 1 || answers != 0 || authorities != 0 ||
        additionals > kMaxRecords || !read_name(reader, query.name)) {
        return refuse(ResponseCode::kFormatError);
    }
    query.type = reader.number();
    query.query_class = reader.number();
    if (reader.failed()) {
        return refuse(ResponseCode::kFormatError);
    }
    query.question = message.subspan(kHeaderSize, reader.position() - kHeaderSize);
    uint8_t version = 0;
    if (!read_records(reader, additionals, query, version)) {
        return refuse(ResponseCode::kFormatError);
    }
    if (version != 0) {
        // BADVERS has its upper bits in an OPT record; no client speaks a version but 0.
        return refuse(ResponseCode::kNotImplemented);
    }
    return Parsed(std::move(query));
}

std::string answer_refusal(const Refusal& refusal) {
    Writer out;
    write_header(out, refusal.header, refusal.code, {});
    return out.take();
}

std::string answer_address(const Query& query, std::span<const uint8_t> address,
                           uint32_t ttl_seconds) {
    Writer out;
    write_header(out, query.header, ResponseCode::kNoError,
                 {.questions = 1,
                  .answers = 1,
                  .additionals = static_cast<uint16_t>(query.extended ? 1 : 0)});
    out.bytes(query.question);
    write_record_start(out, address.size() == 4 ? kTypeA : kTypeAaaa, ttl_seconds,
                       static_cast<uint16_t>(address.size()));
    out.bytes(address);
    write_opt(out, query);
    return out.take();
}

std::string answer_nothing(const Query& query, ResponseCode code, uint32_t ttl_seconds) {
    Writer out;
    write_header(out, query.header, code,
                 {.questions = 1,
                  .authorities = 1,
                  .additionals = static_cast<uint16_t>(query.extended ? 1 : 0)});
    out.bytes(query.question);
    // RFC 1035 §3.3.13: source and mailbox (the root, both), serial, refresh, retry, expire,
    // minimum.
    write_record_start(out, kTypeSoa, ttl_seconds, 2 + 5 * sizeof(uint32_t));
    out.byte(0);
    out.byte(0);
    for (const uint32_t value : {1U, 3600U, 600U, 86400U, ttl_seconds}) {
        out.wide(value);
    }
    write_opt(out, query);
    return out.take();
}

bool is_host_name(std::string_view name) {
    if (name.empty() || name.size() > 253) {
        return false;
    }
    bool last_is_number = true;
    size_t length = 0;
    for (size_t i = 0; i <= name.size(); ++i) {
        if (i == name.size() || name[i] == '.') {
            if (length == 0 || length > kMaxLabel || name[i - 1] == '-') {
                return false;
            }
            length = 0;
            if (i < name.size()) {
                last_is_number = true;
            }
            continue;
        }
        const char c = name[i];
        const bool digit = c >= '0' && c <= '9';
        if (!digit && !(c >= 'a' && c <= 'z') && (c != '-' || length == 0)) {
            return false;
        }
        last_is_number = last_is_number && digit;
        ++length;
    }
    return !last_is_number;
}

}  // namespace anchorhold::guest_init::dns
