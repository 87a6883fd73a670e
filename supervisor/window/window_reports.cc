// What the running proxy says: checked, written, then acknowledged.
#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include "base/log.h"
#include "base/seqpacket.h"
#include "proto/frame.h"
#include "proxy/credentials/secret_string.h"
#include "supervisor/window/window.h"

namespace anchorhold::supervisor {
namespace {

using namespace std::chrono_literals;

constexpr size_t kMaxReportsAtOnce = 256;
constexpr size_t kMaxLastReports = 4096;
constexpr size_t kMaxQuestions = 64;  // open at once
// A proxy that reports faster than any traffic could is read no faster than this.
constexpr Duration kReadTurn = 100ms;
constexpr uint64_t kMaxReadInTurn = 20'000;  // events

}  // namespace

Status Window::watch_reports() {
    reading_ = 0;
    return loop_.add(proxy_->control.get(), EPOLLIN,
                     [this](uint32_t) { receive_reports(Reading::paced); });
}

void Window::receive_reports(Reading reading) {
    std::vector<proto::AuditEvent> events;
    uint64_t sequence = 0;
    bool more = true;
    const size_t most = reading == Reading::paced ? kMaxReportsAtOnce : kMaxLastReports;
    for (size_t i = 0; i < most && more && proxy_; ++i) {
        const Status received = receive_report(events, sequence, more);
        if (!received) {
            proxy_->breach = proxy_->breach.empty() ? received.error().message : proxy_->breach;
            kill_proxy();
        }
        if (!received) {
            loop_.remove(proxy_->control.get());  // its pidfd tells the rest
            break;
        }
    }
    if (events.empty()) {
        return;
    }
    read_in_turn_ += events.size();
    if (!write(std::move(events))) {
        return;
    }
    if (proxy_) {
        proto::ProxyOrder order;
        order.set_written(sequence);
        // A proxy that does not read its acknowledgements waits for ever, and no one else does.
        [[maybe_unused]] const Status told =
            send_packet(proxy_->control.get(), order.SerializeAsString());
        if (reading == Reading::paced && proxy_->breach.empty()) {
            rest_from_reports();
        }
    }
}

// An error is a breach; `more` is false when nothing is left to read now, or ever.
Status Window::receive_report(std::vector<proto::AuditEvent>& events, uint64_t& sequence,
                              bool& more) {
    auto packet = receive_packet(proxy_->control.get());
    if (!packet && packet.error().code != ECONNRESET) {
        return tl::unexpected(packet.error());
    }
    if (packet && !*packet) {
        more = false;
        return {};
    }
    if (!packet || (*packet)->bytes.empty()) {
        more = false;
        loop_.remove(proxy_->control.get());  // end of file: its pidfd tells the rest
        kill_proxy();
        return {};
    }
    auto report = proto::parse<proto::ProxyReport>((*packet)->bytes, "the proxy's report");
    proxy::wipe((*packet)->bytes);  // a captured credential may be in it
    if (!report) {
        return tl::unexpected(report.error());
    }
    const Status checked = proxy_->check.check(*report);
    if (checked) {
        sequence = std::max(sequence, report->sequence());
        use_report(*report, events);
    } else if (report->has_minted()) {
        proxy::wipe(*report->mutable_minted()->mutable_secret()->mutable_value());
    }
    return checked;
}

void Window::use_report(proto::ProxyReport& report, std::vector<proto::AuditEvent>& events) {
    failing_since_.reset();
    std::move(report.mutable_events()->begin(), report.mutable_events()->end(),
              std::back_inserter(events));
    if (!report.public_key().empty()) {
        certify(report.public_key());
    }
    if (report.has_minted()) {
        proto::Secret& secret = *report.mutable_minted()->mutable_secret();
        if (const Status kept = captured_.keep(secret); !kept) {
            log::warning("a captured credential is lost with its proxy: {}", kept.error().message);
        }
    }
    proxy_->leaving |= report.leaving();
    if (report.has_question()) {
        ask(std::move(*report.mutable_question()));
    }
}

// The proxy waits for it before it takes a stream.
void Window::certify(const std::string& public_key) {
    auto certificate = host_.authority().issue(spec_.sandbox, public_key);
    if (!certificate) {
        proxy_->breach = certificate.error().message;
        kill_proxy();
        return;
    }
    proto::ProxyOrder order;
    order.set_intermediate(std::move(*certificate));
    [[maybe_unused]] const Status told =
        send_packet(proxy_->control.get(), order.SerializeAsString());
}

void Window::ask(proto::Question question) {
    const uint64_t number = ++last_question_;
    questions_[number] = {question.id()};
    if (questions_.size() > kMaxQuestions) {
        answer(number, false);
        return;
    }
    question.set_id(number);
    handlers_.on_question(question);
}

void Window::answer(uint64_t question, bool allowed) {
    const auto open = questions_.extract(question);
    if (!proxy_ || open.empty()) {
        return;
    }
    proto::ProxyOrder order;
    order.mutable_answer()->set_question(open.mapped().id);
    order.mutable_answer()->set_allowed(allowed);
    [[maybe_unused]] const Status told =
        send_packet(proxy_->control.get(), order.SerializeAsString());
}

void Window::rest_from_reports() {
    const TimePoint now = loop_.clock().now();
    if (now >= read_turn_ends_) {
        read_turn_ends_ = now + kReadTurn;
        read_in_turn_ = 0;
    } else if (read_in_turn_ > kMaxReadInTurn) {
        loop_.remove(proxy_->control.get());
        reading_ = loop_.add_timer(read_turn_ends_ - now, [this] {
            if (const Status watched = watch_reports(); !watched) {
                shut(watched.error().message);
            }
        });
    }
}

}  // namespace anchorhold::supervisor
