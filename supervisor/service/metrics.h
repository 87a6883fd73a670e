// Numbers for Prometheus.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "base/clock.h"
#include "supervisor/service/engine.h"

namespace anchorhold::service {

// Counters only; gauges are read when they are asked for.
class Metrics {
  public:
    void count_start(StartPath path, Duration took);
    // `wanted` was tried and did not lead to a guest.
    void count_fallback(StartPath wanted) { ++fallbacks_[static_cast<size_t>(wanted)]; }
    void count_failed_start() { ++failed_starts_; }
    void count_request(int status) { ++requests_[status]; }
    void count_exec() { ++execs_; }
    void count_fill() { ++fills_; }
    void count_failed_fill() { ++failed_fills_; }
    void count_operation(const std::string& kind) { ++operations_[kind]; }

    [[nodiscard]] uint64_t starts(StartPath path) const {
        return starts_[static_cast<size_t>(path)];
    }
    [[nodiscard]] uint64_t fallbacks(StartPath wanted) const {
        return fallbacks_[static_cast<size_t>(wanted)];
    }

    // The text format, version 0.0.4.
    [[nodiscard]] std::string text() const;

  private:
    std::array<uint64_t, 4> starts_{};
    std::array<double, 4> start_seconds_{};
    std::array<uint64_t, 4> fallbacks_{};
    uint64_t failed_starts_ = 0;
    uint64_t execs_ = 0;
    uint64_t fills_ = 0;
    uint64_t failed_fills_ = 0;
    std::map<int, uint64_t> requests_;
    std::map<std::string, uint64_t> operations_;
};

}  // namespace anchorhold::service
