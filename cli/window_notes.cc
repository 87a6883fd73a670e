// Lines for denials, floods and deaths; counts for the rest.
#include "cli/window_notes.h"

#include <fmt/format.h>

#include <bit>

#include "base/log.h"

namespace anchorhold::cli {
namespace {

policy::DeniedRequest denied_request(const proto::RequestDecided& decision) {
    policy::DeniedRequest request;
    request.protocol = decision.protocol() == "http"  ? proto::HTTP
                       : decision.protocol() == "tls" ? proto::TLS
                       : decision.protocol() == "tcp" ? proto::TCP
                                                      : proto::HTTPS;
    request.method = decision.method();
    request.host = decision.host();
    request.port = static_cast<uint16_t>(decision.port());
    request.target = decision.target();
    return request;
}

bool is_denial(const proto::RequestDecided& decision) {
    return decision.verdict() == proto::RequestDecided::DENY ||
           decision.verdict() == proto::RequestDecided::ASKED_DENY;
}

std::string denial_line(const proto::RequestDecided& decision) {
    return fmt::format(
        "denied {} {}://{}:{}{} ({}{}{})", log::escaped(decision.method(), 20),
        log::escaped(decision.protocol(), 20), log::escaped(decision.host(), 253), decision.port(),
        log::escaped(decision.target(), 100), log::escaped(decision.reason(), 40),
        decision.rule().empty() ? "" : " by " + log::escaped(decision.rule(), 200),
        decision.detail().empty() ? "" : ": " + log::escaped(decision.detail(), 160));
}

}  // namespace

std::string WindowNotes::note(const proto::AuditEvent& event) {
    if (event.has_decision() && is_denial(event.decision())) {
        return note_denial(event.decision());
    }
    if (event.has_repeated()) {
        denials_ += event.repeated().count();
    } else if (event.has_counted()) {
        return note_flood(event.counted().denials());
    } else if (event.has_proxy()) {
        return note_process(event.proxy());
    }
    return "";
}

std::string WindowNotes::note_denial(const proto::RequestDecided& decision) {
    ++denials_;
    remember(decision);
    if (kinds_.size() >= kMostKinds) {
        more_kinds_ = true;
        return "";
    }
    const bool fresh =
        kinds_.emplace(decision.protocol(), decision.host(), decision.port(), decision.reason())
            .second;
    if (!fresh || lines_ > kMostLines) {
        return "";
    }
    return ++lines_ > kMostLines ? "more destinations are denied than are shown here"
                                 : denial_line(decision);
}

std::string WindowNotes::note_flood(uint64_t denials) {
    denials_ += denials;
    const bool fresh = denials > 0 && !more_kinds_;
    more_kinds_ |= denials > 0;
    return fresh ? "a flood of denied requests: from here on they are counted, not shown" : "";
}

// The first death and then at each power of two: as many lines as a person reads.
std::string WindowNotes::note_process(const proto::ProxyChanged& change) {
    if (change.change() == "left when idle") {
        return "";
    }
    ++deaths_;
    return std::has_single_bit(deaths_)
               ? fmt::format(
                     "the window's {} {}{}; its connections are lost, and the next finds a "
                     "new one",
                     change.process(), log::escaped(change.change(), 160),
                     deaths_ == 1 ? "" : fmt::format(" ({} such ends so far)", deaths_))
               : "";
}

void WindowNotes::remember(const proto::RequestDecided& decision) {
    const size_t bytes = decision.host().size() + decision.target().size() + 64;
    if (denied_.size() < kMostRequests && denied_bytes_ + bytes <= kMostRequestBytes) {
        denied_.push_back(denied_request(decision));
        denied_bytes_ += bytes;
    }
}

std::string WindowNotes::summary(const std::string& sandbox) const {
    if (denials_ == 0) {
        return "";
    }
    return fmt::format(
        "{} request{} to {}{} destination{} denied; see: anchorhold audit show {} --filter "
        "verdict=deny",
        denials_, denials_ == 1 ? "" : "s", more_kinds_ ? "more than " : "", kinds_.size(),
        kinds_.size() == 1 ? "" : "s", sandbox);
}

}  // namespace anchorhold::cli
