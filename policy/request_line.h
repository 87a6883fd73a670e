// A request as a person writes it: 'GET https://api.example.com/v1/x', or
// 'tcp://db.example.com:5432'.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/evaluator.h"
#include "policy/target.h"

namespace anchorhold::policy {

class RequestLine {
  public:
    // 'METHOD https://…', 'METHOD http://…', 'tls://host:port', 'tcp://host:port'. A fragment is
    // refused; a missing path is "/", a missing port the protocol's.
    static Result<RequestLine> parse(std::string_view text);

    [[nodiscard]] proto::Protocol protocol() const { return protocol_; }
    // Whether it is a connection that is not opened.
    [[nodiscard]] bool is_spliced() const {
        return protocol_ == proto::TLS || protocol_ == proto::TCP;
    }
    // They live as long as this does.
    [[nodiscard]] Endpoint endpoint() const;
    [[nodiscard]] Request request() const;

  private:
    proto::Protocol protocol_ = proto::HTTPS;
    std::string method_;
    std::string host_;                    // a strict name, or
    std::vector<unsigned char> address_;  // an address
    uint16_t port_ = 0;
    Target target_;
};

// What an evaluator says of it, whichever kind it is.
[[nodiscard]] Decision decide(const Evaluator& evaluator, const RequestLine& line,
                              std::string_view content_type, std::string_view body);

}  // namespace anchorhold::policy
