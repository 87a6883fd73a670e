// One line a number.
#include "supervisor/service/metrics.h"

#include <fmt/format.h>

namespace anchorhold::service {
namespace {

constexpr StartPath kPaths[] = {StartPath::parked, StartPath::shell, StartPath::restore,
                                StartPath::cold};

void describe(std::string& out, std::string_view name, std::string_view help) {
    out += fmt::format("# HELP {} {}\n# TYPE {} counter\n", name, help, name);
}

}  // namespace

void Metrics::count_start(StartPath path, Duration took) {
    ++starts_[static_cast<size_t>(path)];
    start_seconds_[static_cast<size_t>(path)] += std::chrono::duration<double>(took).count();
}

std::string Metrics::text() const {
    std::string out;
    describe(out, "anchorhold_starts_total",
             "Guests that were started, by the way they came to be.");
    for (const StartPath path : kPaths) {
        out += fmt::format("anchorhold_starts_total{{start=\"{}\"}} {}\n", to_text(path),
                           starts_[static_cast<size_t>(path)]);
    }
    describe(out, "anchorhold_start_seconds_total",
             "Time from the request to a guest that takes commands, summed up.");
    for (const StartPath path : kPaths) {
        out += fmt::format("anchorhold_start_seconds_total{{start=\"{}\"}} {:.6f}\n", to_text(path),
                           start_seconds_[static_cast<size_t>(path)]);
    }
    describe(out, "anchorhold_start_fallbacks_total",
             "Ways of starting that were wanted and not to be had.");
    for (const StartPath path : kPaths) {
        out += fmt::format("anchorhold_start_fallbacks_total{{wanted=\"{}\"}} {}\n", to_text(path),
                           fallbacks_[static_cast<size_t>(path)]);
    }
    describe(out, "anchorhold_failed_starts_total", "Starts that led to no guest at all.");
    out += fmt::format("anchorhold_failed_starts_total {}\n", failed_starts_);
    describe(out, "anchorhold_execs_total", "Streams given out to run a command on.");
    out += fmt::format("anchorhold_execs_total {}\n", execs_);
    describe(out, "anchorhold_pool_fills_total", "Guests and shells made ahead of use.");
    out += fmt::format("anchorhold_pool_fills_total {}\n", fills_);
    describe(out, "anchorhold_pool_failed_fills_total",
             "Guests and shells that could not be made.");
    out += fmt::format("anchorhold_pool_failed_fills_total {}\n", failed_fills_);
    describe(out, "anchorhold_operations_total", "Operations on named sandboxes that completed.");
    for (const auto& [kind, count] : operations_) {
        out += fmt::format("anchorhold_operations_total{{kind=\"{}\"}} {}\n", kind, count);
    }
    describe(out, "anchorhold_http_requests_total", "Requests that were answered, by status.");
    for (const auto& [status, count] : requests_) {
        out += fmt::format("anchorhold_http_requests_total{{status=\"{}\"}} {}\n", status, count);
    }
    return out;
}

}  // namespace anchorhold::service
