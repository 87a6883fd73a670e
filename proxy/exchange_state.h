// What an exchange knows, and the words it writes down. Private to exchange*.cc.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "policy/target.h"
#include "proxy/connection.h"
#include "proxy/exchange.h"
#include "proxy/message_filters.h"
#include "proxy/window.h"

namespace anchorhold::proxy {

[[nodiscard]] inline std::string_view scheme(proto::Protocol protocol) {
    return protocol == proto::HTTP ? "http" : "https";
}

struct Exchange::State {
    static constexpr size_t kMaxLoggedTarget = 2048;

    Window& window;
    Connection& connection;
    RequestHead head;
    uint64_t number;
    TimePoint begun = steady_clock().now();
    std::string logged_target;  // as the guest wrote it
    policy::Target target;
    Denial early;  // found in the head alone
    bool refused_early = false;
    policy::Decision decision;
    std::optional<CredentialUse> credentials;
    bool admitted = false;
    bool finished = false;
    bool upgraded = false;
    unsigned status = 0;
    uint64_t bytes_out = 0;
    uint64_t bytes_in = 0;
    std::vector<std::string> minted;
    std::optional<ScanningFilter> to_upstream;
    std::optional<ScrubbingFilter> to_guest;

    State(Window& w, Connection& c, RequestHead h)
        : window(w),
          connection(c),
          head(std::move(h)),
          number(w.take_request_number()),
          logged_target(head.target.substr(0, kMaxLoggedTarget)) {}

    // What policy reads: a websocket is opened by GET, whatever HTTP/2 calls it (RFC 8441 §4).
    std::string_view method() const {
        return head.protocol == "websocket" ? std::string_view("GET") : head.method;
    }

    policy::Request question(std::string_view body) const {
        const Field* type = find_field(head.fields, "content-type");
        const Field* coding = find_field(head.fields, "content-encoding");
        return {.endpoint = connection.endpoint(),
                .protocol = connection.protocol,
                .method = method(),
                .target = &target,
                .content_type = type != nullptr ? std::string_view(type->value) : "",
                .body = body,
                .content_encoding = coding != nullptr ? std::string_view(coding->value) : ""};
    }

    bool bound() const {
        return !window.parts.evaluator.bindings_of(connection.endpoint()).empty();
    }

    [[nodiscard]] Denial denial(policy::Reason reason, std::string_view detail) const;

    void refuse_early(policy::Reason reason, std::string_view detail) {
        refused_early = true;
        early = denial(reason, detail);
        decision.reason = reason;
        decision.detail = detail;
    }

    // Counts further bytes; the text of an error when a limit says that they may not pass.
    std::optional<std::string> count_out(size_t bytes) {
        bytes_out += bytes;
        connection.bytes_from_guest += bytes;
        return over_limit(policy::Limits::Direction::to_upstream, bytes);
    }
    std::optional<std::string> count_in(size_t bytes) {
        bytes_in += bytes;
        connection.bytes_to_guest += bytes;
        return over_limit(policy::Limits::Direction::to_guest, bytes);
    }
    std::optional<std::string> over_limit(policy::Limits::Direction direction, size_t bytes) {
        const proto::Limit* limit =
            window.limits.add_bytes(connection.endpoint(), direction, bytes, steady_clock().now());
        return limit != nullptr ? std::optional(limit_text(*limit)) : std::nullopt;
    }
    std::string limit_text(const proto::Limit& limit) const {
        return "beyond the limit at " + window.parts.evaluator.origin_text(limit.origin());
    }

    void check_head();
    uint64_t record(proto::RequestDecided::Verdict verdict, policy::Reason reason,
                    std::string_view detail);
    std::optional<Denial> deny(
        policy::Reason reason, std::string_view detail,
        proto::RequestDecided::Verdict verdict = proto::RequestDecided::DENY);
    // A second word on a request that was let go before: its outcome follows.
    Denial deny_admitted(policy::Reason reason, std::string_view detail) {
        record(proto::RequestDecided::DENY, reason, detail);
        return denial(reason, detail);
    }
    proto::RequestDecided decided(proto::RequestDecided::Verdict verdict, policy::Reason reason,
                                  std::string_view detail) const;
};

}  // namespace anchorhold::proxy
