// Batches are packets of at most 4 KiB; one coroutine sends them, one receives.
#include "proxy/supervisor_link.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "base/clock.h"
#include "proto/frame.h"

namespace anchorhold::proxy {
namespace {

constexpr size_t kMaxBatch =
    kMaxPacketSize - 64;  // room for the sequence and the field's own bytes
// Events that wait for a supervisor that does not read. Beyond this the window stops admitting.
constexpr size_t kMaxPackets = 4096;
constexpr std::chrono::milliseconds kLongestDelay(2);
constexpr std::chrono::microseconds kBriefly(100);

}  // namespace

SupervisorLink::SupervisorLink(asio::io_context& context, OwnFd control, Handlers handlers)
    : context_(context),
      channel_(context, std::move(control)),
      handlers_(std::move(handlers)),
      late_(context) {
    asio::co_spawn(context_, receive(), asio::detached);
}

void SupervisorLink::close_batch() {
    if (batch_.events_size() > 0) {
        batch_.set_sequence(next_sequence_ - 1);
        packets_.push_back(batch_.SerializeAsString());
        batch_.Clear();
        batch_size_ = 0;
    }
}

uint64_t SupervisorLink::record(proto::AuditEvent event) {
    const uint64_t sequence = add(std::move(event));
    schedule_flush();
    return sequence;
}

void SupervisorLink::note(proto::AuditEvent event) {
    add(std::move(event));
    schedule_late_flush();
}

uint64_t SupervisorLink::add(proto::AuditEvent event) {
    const size_t size = event.ByteSizeLong() + 4;
    if (batch_size_ + size > kMaxBatch) {
        close_batch();
    }
    *batch_.add_events() = std::move(event);
    batch_size_ += size;
    const uint64_t sequence = next_sequence_++;
    if (packets_.size() > kMaxPackets) {
        lose();
    }
    return sequence;
}

asio::awaitable<bool> SupervisorLink::written(uint64_t sequence) {
    if (lost_ || written_ >= sequence) {
        co_return !lost_;
    }
    const auto wake = Wake<bool>::create();
    waiters_.push_back({sequence, wake});
    co_return co_await wake->wait();
}

asio::awaitable<std::optional<bool>> SupervisorLink::ask(const proto::RequestDecided& request,
                                                         const std::string& body_sha256) {
    if (lost_) {
        co_return std::nullopt;
    }
    close_batch();
    proto::ProxyReport report;
    proto::Question& question = *report.mutable_question();
    const uint64_t number = next_question_++;
    question.set_id(number);
    *question.mutable_request() = request;
    question.set_body_sha256(body_sha256);
    packets_.push_back(report.SerializeAsString());
    const auto wake = Wake<std::optional<bool>>::create();
    questions_[number] = wake;
    schedule_flush();
    co_return co_await wake->wait();
}

void SupervisorLink::captured(proto::Minted minted) {
    close_batch();
    proto::ProxyReport report;
    *report.mutable_minted() = std::move(minted);
    packets_.push_back(report.SerializeAsString());
    report.mutable_minted()->mutable_secret()->mutable_value()->assign(
        report.minted().secret().value().size(), '\0');
    schedule_flush();
}

void SupervisorLink::leave() {
    close_batch();
    proto::ProxyReport report;
    report.set_leaving(true);
    packets_.push_back(report.SerializeAsString());
    schedule_flush();
}

void SupervisorLink::schedule_flush() {
    if (!flushing_ && !lost_) {
        flushing_ = true;
        asio::co_spawn(context_, flush(), asio::detached);
    }
}

void SupervisorLink::schedule_late_flush() {
    if (late_armed_ || flushing_ || lost_) {
        return;
    }
    late_armed_ = true;
    late_.expires_after(kLongestDelay);
    late_.async_wait([this](const boost::system::error_code& cancelled) {
        if (!cancelled) {
            late_armed_ = false;
            if (batch_.events_size() > 0) {
                schedule_flush();
            }
        }
    });
}

asio::awaitable<void> SupervisorLink::flush() {
    // Whatever else runs in this turn of the loop joins the batch.
    co_await asio::post(context_, asio::use_awaitable);
    close_batch();
    while (!packets_.empty() && !lost_) {
        const Status sent = channel_.send(packets_.front());
        if (sent) {
            std::fill(packets_.front().begin(), packets_.front().end(), '\0');
            packets_.pop_front();
        } else if (sent.error().code == EAGAIN) {
            co_await channel_.wait_writable();
        } else {
            lose();
        }
        if (packets_.empty()) {
            close_batch();
        }
    }
    flushing_ = false;
    watch_briefly();
    if (sent_) {
        std::exchange(sent_, nullptr)->tell(true);
    }
}

asio::awaitable<void> SupervisorLink::sent() {
    if (batch_.events_size() > 0) {
        schedule_flush();
    }
    if (flushing_ && !lost_) {
        sent_ = Wake<bool>::create();
        co_await sent_->wait();
    }
}

asio::awaitable<void> SupervisorLink::receive() {
    bool understood = true;
    while (understood) {
        auto packet = co_await channel_.receive();
        understood = packet && take(std::move(*packet));
    }
    lose();
}

// False for what no supervisor says.
bool SupervisorLink::take(Packet packet) {
    const auto order = proto::parse<proto::ProxyOrder>(packet.bytes, "the order");
    if (!order || order->written() >= next_sequence_) {
        return false;
    }
    written_ = std::max(written_, order->written());
    while (!waiters_.empty() && waiters_.front().sequence <= written_) {
        waiters_.front().wake->tell(true);
        waiters_.pop_front();
    }
    if (order->dialer_replaced()) {
        if (packet.fds.size() != 1) {
            return false;
        }
        handlers_.on_dialer(std::move(packet.fds[0]));
    }
    if (order->has_answer()) {
        if (const auto found = questions_.find(order->answer().question());
            found != questions_.end()) {
            found->second->tell(std::optional(order->answer().allowed()));
            questions_.erase(found);
        }
    }
    return true;
}

// One request alone waits for its acknowledgement: to sleep and be woken takes longer than the
// supervisor takes to write.
void SupervisorLink::watch_briefly() {
    const TimePoint end = steady_clock().now() + kBriefly;
    while (waiters_.size() == 1 && !lost_ && steady_clock().now() < end) {
        if (auto packet = channel_.try_receive(); packet && !take(std::move(*packet))) {
            lose();
        }
    }
}

void SupervisorLink::lose() {
    if (lost_) {
        return;
    }
    lost_ = true;
    channel_.close();
    for (const Waiter& waiter : waiters_) {
        waiter.wake->tell(false);
    }
    waiters_.clear();
    for (const auto& [id, wake] : questions_) {
        wake->tell(std::nullopt);
    }
    questions_.clear();
    handlers_.on_lost();
}

}  // namespace anchorhold::proxy
