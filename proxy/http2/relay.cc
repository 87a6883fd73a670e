// Reading, writing and waiting around a Bridge. Idle, a connection is two coroutines that wait to
// read; a writer exists only while a peer does not take what there is.
#include "proxy/http2/relay.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <array>
#include <exception>
#include <memory>

#include "proxy/http2/bridge.h"

namespace anchorhold::proxy::http2 {
namespace {

constexpr size_t kReadSize = size_t{32} << 10;
// Reads in a row before others on the thread get their turn.
constexpr unsigned kReadsInARow = 16;

class Relay {
  public:
    // A null upstream: there is none, and the bridge was not told yet.
    Relay(asio::any_io_executor executor, Duplex& guest, Duplex* upstream, RequestGates& gates,
          const Limits& limits)
        : executor_(std::move(executor)),
          bridge_(gates, limits, steady_clock()),
          guest_{Leg::guest, &guest, {}},
          upstream_{Leg::upstream, upstream, {}},
          settled_(executor_, asio::steady_timer::time_point::max()) {}

    void do_without_upstream(policy::Reason reason, std::string detail) {
        bridge_.do_without_upstream(reason, std::move(detail));
    }

    asio::awaitable<Status> run() {
        flush();
        if (upstream_.stream != nullptr) {
            spawn(read(upstream_));
        }
        co_await read(guest_);
        while (running_ > 0) {
            boost::system::error_code ignored;
            co_await settled_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
        }
        if (!bridge_.error().empty()) {
            co_return fail(bridge_.error());
        }
        co_return Status();
    }

  private:
    struct End {
        Leg leg;
        Duplex* stream;
        std::string unsent;    // what the peer has not taken yet
        size_t sent = 0;       // of it
        bool writing = false;  // a writer waits for the peer
    };

    void spawn(asio::awaitable<void> task) {
        ++running_;
        asio::co_spawn(executor_, std::move(task), [this](const std::exception_ptr&) { left(); });
    }
    void left() {
        if (--running_ == 0) {
            settled_.cancel();
        }
    }

    asio::awaitable<void> read(End& end);
    asio::awaitable<void> write(End& end);
    void start_admissions();
    asio::awaitable<std::optional<Denial>> admit(RequestGate& gate, std::string& body, bool whole);
    void flush();
    bool push(End& end);
    bool send(End& end);

    asio::any_io_executor executor_;
    Bridge bridge_;
    End guest_;
    End upstream_;
    asio::steady_timer settled_;
    size_t running_ = 0;
    bool ended_ = false;
};

asio::awaitable<void> Relay::read(End& end) {
    unsigned in_a_row = 0;
    while (!ended_ && !bridge_.over(end.leg)) {
        // Shared by all connections of the thread: it is done with before the next wait.
        thread_local std::array<std::byte, kReadSize> buffer;
        const IoResult result = end.stream->try_read(buffer);
        switch (result.kind) {
            case IoResult::Kind::bytes:
                bridge_.receive(end.leg, std::span(buffer).first(result.count));
                start_admissions();
                flush();
                if (++in_a_row == kReadsInARow) {
                    in_a_row = 0;
                    co_await asio::post(executor_, asio::use_awaitable);
                }
                break;
            case IoResult::Kind::want_read:
                in_a_row = 0;
                co_await end.stream->wait_readable();
                break;
            case IoResult::Kind::want_write:
                co_await end.stream->wait_writable();
                break;
            case IoResult::Kind::end:
            case IoResult::Kind::failed:
                bridge_.gone(end.leg, result.kind == IoResult::Kind::end
                                          ? "the connection was closed"
                                          : result.why);
                start_admissions();
                flush();
                co_return;
        }
    }
}

void Relay::start_admissions() {
    while (Stream* const stream = bridge_.next_to_admit()) {
        ++running_;
        const auto signal = std::make_shared<asio::cancellation_signal>();
        // Posted: what it wakes must not run inside nghttp2's callbacks.
        stream->cancel_admission = [this, signal] {
            asio::post(executor_, [signal] { signal->emit(asio::cancellation_type::terminal); });
        };
        asio::co_spawn(executor_, admit(*stream->gate, stream->collected, stream->whole),
                       asio::bind_cancellation_slot(
                           signal->slot(), [this, stream, signal](const std::exception_ptr& failure,
                                                                  std::optional<Denial> denial) {
                               if (failure != nullptr && !stream->guest_closed) {
                                   denial =
                                       stream->gate->failed(policy::Reason::unavailable,
                                                            "the request could not be decided");
                               }
                               bridge_.admitted(*stream, std::move(denial));
                               start_admissions();
                               flush();
                               left();
                           }));
    }
}

asio::awaitable<std::optional<Denial>> Relay::admit(RequestGate& gate, std::string& body,
                                                    bool whole) {
    co_return co_await gate.admit(body, whole);
}

// Gives both peers what there is for them, until there is nothing or they take no more.
void Relay::flush() {
    bool again = true;
    while (again) {
        again = push(guest_);
        again = push(upstream_) || again;
    }
    for (End* end : {&guest_, &upstream_}) {
        if (!ended_ && !end->writing && bridge_.over(end->leg)) {
            bridge_.gone(end->leg, bridge_.error().empty() ? "the connection is over"
                                                           : std::string(bridge_.error()));
            push(guest_);
            push(upstream_);
        }
    }
    if (!ended_ && bridge_.finished() && (!guest_.writing || bridge_.lost(Leg::guest))) {
        ended_ = true;
        for (End* end : {&guest_, &upstream_}) {
            if (end->stream != nullptr) {
                end->stream->finish_writing();
                end->stream->cancel();
            }
        }
    }
}

// One batch to one peer. True when there may be more.
bool Relay::push(End& end) {
    if (end.writing || ended_) {
        return false;
    }
    thread_local std::string batch;
    batch.clear();
    bridge_.produce(end.leg, batch);
    if (batch.empty()) {
        return false;
    }
    end.unsent.swap(batch);
    end.sent = 0;
    if (!send(end)) {
        end.writing = true;
        spawn(write(end));
        return false;
    }
    // The memory goes back to be shared by all connections of the thread.
    end.unsent.swap(batch);
    return true;
}

// Writes what is unsent. False when the peer takes no more for now.
bool Relay::send(End& end) {
    while (end.sent < end.unsent.size()) {
        const auto left = std::as_bytes(std::span(end.unsent)).subspan(end.sent);
        const IoResult result = end.stream->try_write(left);
        switch (result.kind) {
            case IoResult::Kind::bytes:
                end.sent += result.count;
                break;
            case IoResult::Kind::want_read:
            case IoResult::Kind::want_write:
                return false;
            case IoResult::Kind::end:
            case IoResult::Kind::failed:
                end.sent = end.unsent.size();
                bridge_.gone(end.leg, result.why);
                return true;
        }
    }
    return true;
}

asio::awaitable<void> Relay::write(End& end) {
    while (!ended_ && !send(end)) {
        co_await end.stream->wait_writable();
    }
    std::string().swap(end.unsent);
    end.writing = false;
    start_admissions();
    flush();
}

}  // namespace

asio::awaitable<Status> relay_http2(Duplex& guest, Duplex& upstream, RequestGates& gates,
                                    Limits limits) {
    Relay relay(co_await asio::this_coro::executor, guest, &upstream, gates, limits);
    co_return co_await relay.run();
}

asio::awaitable<Status> answer_http2(Duplex& guest, RequestGates& gates, policy::Reason reason,
                                     std::string detail, Limits limits) {
    Relay relay(co_await asio::this_coro::executor, guest, nullptr, gates, limits);
    relay.do_without_upstream(reason, std::move(detail));
    co_return co_await relay.run();
}

}  // namespace anchorhold::proxy::http2
