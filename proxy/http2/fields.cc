// What each field of a block means to an intermediary.
#include "proxy/http2/fields.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace anchorhold::proxy::http2 {
namespace {

constexpr std::array<std::string_view, 8> kNeverInAnswers = {
    "alt-svc",          "connection",        "http2-settings", "keep-alive",
    "proxy-connection", "transfer-encoding", "trailer",        "upgrade"};

constexpr std::array<std::string_view, 39> kNeverInTrailers = {"age",
                                                               "alt-svc",
                                                               "authorization",
                                                               "cache-control",
                                                               "connection",
                                                               "content-encoding",
                                                               "content-length",
                                                               "content-range",
                                                               "content-type",
                                                               "cookie",
                                                               "date",
                                                               "expect",
                                                               "expires",
                                                               "host",
                                                               "if-match",
                                                               "if-modified-since",
                                                               "if-none-match",
                                                               "if-range",
                                                               "if-unmodified-since",
                                                               "keep-alive",
                                                               "location",
                                                               "max-forwards",
                                                               "pragma",
                                                               "proxy-authenticate",
                                                               "proxy-authentication-info",
                                                               "proxy-authorization",
                                                               "proxy-connection",
                                                               "range",
                                                               "retry-after",
                                                               "sec-websocket-accept",
                                                               "sec-websocket-extensions",
                                                               "set-cookie",
                                                               "te",
                                                               "trailer",
                                                               "transfer-encoding",
                                                               "upgrade",
                                                               "vary",
                                                               "warning",
                                                               "www-authenticate"};

template <size_t N>
bool listed(const std::array<std::string_view, N>& names, std::string_view name) {
    return std::ranges::find(names, name) != names.end();
}

std::optional<uint64_t> decimal(std::string_view text) {
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return value;
}

void join_cookies(Fields& fields) {
    Field* first = find_field(fields, "cookie");
    if (first == nullptr) {
        return;
    }
    const auto rest = fields.begin() + (first - fields.data()) + 1;
    for (auto field = rest; field != fields.end(); ++field) {
        if (field->name == "cookie") {
            first->value += "; " + field->value;
            first->secret |= field->secret;
        }
    }
    fields.erase(std::remove_if(rest, fields.end(),
                                [](const Field& field) { return field.name == "cookie"; }),
                 fields.end());
}

std::optional<Refusal> refusal_of(const HeadBlock& block, std::string_view scheme) {
    using policy::Reason;
    if (block.fault() == HeadBlock::Fault::too_long) {
        return Refusal{Reason::malformed, "the header list is longer than 64 KiB"};
    }
    if (block.fault() == HeadBlock::Fault::invalid_field) {
        return Refusal{Reason::malformed, "a header field with a character that must not be in it"};
    }
    if (block.method == "CONNECT" && block.protocol.empty()) {
        return Refusal{Reason::connect_refused, "CONNECT inside the window"};
    }
    if (!block.protocol.empty() && block.protocol != "websocket") {
        return Refusal{Reason::upgrade_refused, "extended CONNECT for other than websocket"};
    }
    if (block.scheme != scheme) {
        return Refusal{Reason::malformed, "the :scheme is not the connection's"};
    }
    if (block.host && !block.authority.empty() && *block.host != block.authority) {
        return Refusal{Reason::host_mismatch, "Host and :authority differ"};
    }
    return std::nullopt;
}

}  // namespace

void HeadBlock::add(std::string_view name, std::string_view value, bool never_index, size_t limit) {
    size_ += name.size() + value.size() + 32;
    if (size_ > limit) {
        fault_ = Fault::too_long;
        Fields().swap(fields);
    }
    if (fault_ != Fault::none || take_pseudo(name, value) || take_special(name, value)) {
        return;
    }
    fields.push_back({std::string(name), std::string(value), never_index});
}

bool HeadBlock::take_pseudo(std::string_view name, std::string_view value) {
    if (name.empty() || name.front() != ':') {
        return false;
    }
    std::string* const place = name == ":method"      ? &method
                               : name == ":scheme"    ? &scheme
                               : name == ":authority" ? &authority
                               : name == ":path"      ? &path
                               : name == ":protocol"  ? &protocol
                               : name == ":status"    ? &status
                                                      : nullptr;
    if (place != nullptr) {
        *place = value;
    }
    return true;
}

bool HeadBlock::take_special(std::string_view name, std::string_view value) {
    if (name == "host") {
        // Two Hosts that agree are two all the same.
        if (host) {
            fault_ = Fault::invalid_field;
        }
        host = value;
    } else if (name == "content-length") {
        length = decimal(value);
    } else if (name == "te") {
        te_trailers = true;  // nghttp2 lets nothing but "trailers" through
    } else {
        return false;
    }
    return true;
}

RequestHead request_head(HeadBlock& block, std::string_view scheme,
                         std::optional<Refusal>& refusal) {
    refusal = refusal_of(block, scheme);
    RequestHead head;
    head.method = std::move(block.method);
    head.authority =
        block.authority.empty() && block.host ? std::move(*block.host) : std::move(block.authority);
    head.target = std::move(block.path);
    head.protocol = std::move(block.protocol);
    head.fields = std::move(block.fields);
    std::erase_if(head.fields, [](const Field& field) { return field.name == "http2-settings"; });
    join_cookies(head.fields);
    return head;
}

ResponseHead response_head(HeadBlock& block) {
    ResponseHead head;
    head.status = static_cast<unsigned>(decimal(block.status).value_or(502));
    head.fields = std::move(block.fields);
    std::erase_if(head.fields,
                  [](const Field& field) { return listed(kNeverInAnswers, field.name); });
    return head;
}

Fields trailer_fields(HeadBlock& block) {
    Fields fields = std::move(block.fields);
    std::erase_if(fields, [](const Field& field) { return listed(kNeverInTrailers, field.name); });
    return fields;
}

void NvList::add(std::string_view name, std::string_view value, bool secret) {
    const auto* name_bytes = reinterpret_cast<const uint8_t*>(name.data());
    const auto* value_bytes = reinterpret_cast<const uint8_t*>(value.data());
    const bool pseudo = !name.empty() && name.front() == ':';
    valid_ = valid_ && (pseudo || nghttp2_check_header_name(name_bytes, name.size()) != 0) &&
             nghttp2_check_header_value(value_bytes, value.size()) != 0;
    nghttp2_nv nv{};
    // nghttp2 copies both and changes neither.
    nv.name = const_cast<uint8_t*>(name_bytes);
    nv.namelen = name.size();
    nv.value = const_cast<uint8_t*>(value_bytes);
    nv.valuelen = value.size();
    nv.flags = secret ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE;
    list_.push_back(nv);
}

void NvList::add(const Fields& fields) {
    for (const Field& field : fields) {
        add(field);
    }
}

}  // namespace anchorhold::proxy::http2
