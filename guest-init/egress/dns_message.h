// DNS messages as a stub sees them: one question in, one small answer out (RFC 1035 §4, RFC 6891).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace anchorhold::guest_init::dns {

// Every answer fits: a header, a question of 259 bytes, one record and an OPT record.
constexpr size_t kMaxAnswer = 512;
// A longer query is answered FORMERR.
constexpr size_t kMaxQuery = 1232;

constexpr uint16_t kTypeA = 1;      // RFC 1035 §3.2.2
constexpr uint16_t kTypeAaaa = 28;  // RFC 3596
constexpr uint16_t kTypeAny = 255;
constexpr uint16_t kClassIn = 1;

enum class ResponseCode : uint8_t {  // RFC 1035 §4.1.1
    kNoError = 0,
    kFormatError = 1,
    kServerFailure = 2,
    kNoSuchName = 3,
    kNotImplemented = 4,
    kRefused = 5,
};

struct Header {
    uint16_t id = 0;
    uint16_t flags = 0;
};

struct Query {
    Header header;
    std::string
        name;  // lower case, without the last dot; bytes outside of [a-z0-9_-.] escaped as \DDD
    uint16_t type = 0;
    uint16_t query_class = 0;
    bool extended = false;              // it had an OPT record
    std::span<const uint8_t> question;  // as asked, to be repeated in the answer; into the message
};

// What is answered without a look at the question.
struct Refusal {
    Header header;
    ResponseCode code;
};

// Parses a query. Nothing: it deserves no answer (too short, or itself an answer). Bounded by the
// message's size; names are at most 255 octets on the wire, and compression, which has no use in a
// question, is refused.
[[nodiscard]] std::optional<std::variant<Query, Refusal>> parse_query(
    std::span<const uint8_t> message);

// Answers. Each holds at most kMaxAnswer bytes.
[[nodiscard]] std::string answer_refusal(const Refusal& refusal);
[[nodiscard]] std::string answer_address(const Query& query, std::span<const uint8_t> address,
                                         uint32_t ttl_seconds);
// Nothing of this type, or no such name: with an SOA record, so that it is kept for `ttl_seconds`
// (RFC 2308 §5).
[[nodiscard]] std::string answer_nothing(const Query& query, ResponseCode code,
                                         uint32_t ttl_seconds);

// Whether a name can be that of a host: letters, digits and hyphens (RFC 952, RFC 1123 §2.1), at
// most 253 bytes, not ending in a number as an address would.
[[nodiscard]] bool is_host_name(std::string_view name);

}  // namespace anchorhold::guest_init::dns
