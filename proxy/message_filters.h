// What WebSocket messages pass through: placeholders are looked for on the way out, secrets
// scrubbed on the way in.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/credentials/credentials.h"
#include "proxy/exchange.h"
#include "proxy/websocket/message_filter.h"

namespace anchorhold::proxy {

using CountBytes = std::function<void(size_t)>;
using MakeDenial = std::function<Denial(policy::Reason, std::string_view detail)>;

class ScanningFilter final : public websocket::MessageFilter {
  public:
    ScanningFilter(PlaceholderScan scan, CountBytes count, MakeDenial deny)
        : scan_(std::move(scan)), count_(std::move(count)), deny_(std::move(deny)) {}

    std::optional<Denial> payload(std::string& piece, websocket::Piece which) override;
    std::optional<Denial> control(std::string& payload) override;

  private:
    std::optional<Denial> check(std::string_view bytes);

    PlaceholderScan scan_;
    CountBytes count_;
    MakeDenial deny_;
};

class ScrubbingFilter final : public websocket::MessageFilter {
  public:
    // No scrubber: the destination has no secrets.
    ScrubbingFilter(std::optional<Scrubber> scrubber, CountBytes count)
        : scrubber_(std::move(scrubber)), count_(std::move(count)) {}

    std::optional<Denial> payload(std::string& piece, websocket::Piece which) override;
    std::optional<Denial> control(std::string& payload) override;

  private:
    std::optional<Scrubber> scrubber_;
    CountBytes count_;
};

}  // namespace anchorhold::proxy
