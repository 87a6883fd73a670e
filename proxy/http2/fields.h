// Header blocks of HTTP/2 (RFC 9113 §8.3) and the heads the rest of the window knows.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/decision.h"
#include "proxy/head.h"

namespace anchorhold::proxy::http2 {

// A block as its fields come in. nghttp2 has checked names, order and what must not be there; this
// keeps what it found for the head, within a bound.
class HeadBlock {
  public:
    enum class Fault { none, too_long, invalid_field };

    void begin() { *this = HeadBlock(); }
    // One field; beyond `limit` (name, value and 32 each, RFC 9113 §6.5.2) nothing is kept.
    void add(std::string_view name, std::string_view value, bool never_index, size_t limit);
    void note_invalid() { fault_ = Fault::invalid_field; }

    [[nodiscard]] Fault fault() const { return fault_; }
    [[nodiscard]] bool has_status() const { return !status.empty(); }

    std::string method, scheme, authority, path, protocol, status;
    Fields fields;  // without pseudo fields, Host, Content-Length and TE
    std::optional<std::string> host;
    std::optional<uint64_t> length;  // Content-Length
    bool te_trailers = false;

  private:
    bool take_pseudo(std::string_view name, std::string_view value);
    bool take_special(std::string_view name, std::string_view value);

    size_t size_ = 0;
    Fault fault_ = Fault::none;
};

// What is wrong with a request that nghttp2 let through.
struct Refusal {
    policy::Reason reason = policy::Reason::malformed;
    std::string detail;
};

// The request's head, cookie crumbs joined (§8.2.3). `refusal` is set when it must not go on; the
// head then has what can be shown of it.
RequestHead request_head(HeadBlock& block, std::string_view scheme,
                         std::optional<Refusal>& refusal);
// Without connection fields, Alt-Svc and Content-Length.
ResponseHead response_head(HeadBlock& block);
// Without what must not come in trailers (RFC 9110 §6.5.1): framing, routing, authentication,
// request modifiers, content format.
Fields trailer_fields(HeadBlock& block);

// The fields of a block to send. Points into what is given to it, which must outlive the submit.
class NvList {
  public:
    void add(std::string_view name, std::string_view value, bool secret);
    void add(const Field& field) { add(field.name, field.value, field.secret); }
    void add(const Fields& fields);
    [[nodiscard]] const nghttp2_nv* data() const { return list_.data(); }
    [[nodiscard]] size_t size() const { return list_.size(); }
    // False when a name or value must not go on the wire (RFC 9113 §8.2.1).
    [[nodiscard]] bool valid() const { return valid_; }

  private:
    std::vector<nghttp2_nv> list_;
    bool valid_ = true;
};

}  // namespace anchorhold::proxy::http2
