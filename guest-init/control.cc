// ControlRequest in, ControlAnswer out.
#include "guest-init/control.h"

#include <strings.h>
#include <sys/sysinfo.h>
#include <x86intrin.h>

#include <string>
#include <string_view>
#include <utility>

#include "base/log.h"
#include "exec/frame_stream.h"
#include "proto/frame.h"

namespace anchorhold::guest_init {
namespace {

constexpr Duration kAnswerTime =
    std::chrono::milliseconds(200);  // for the host to take the last answer

uint64_t free_memory() {
    struct sysinfo info {};
    ::sysinfo(&info);
    return static_cast<uint64_t>(info.freeram) * info.mem_unit;
}

}  // namespace

class ControlServer::Connection final : private exec::FrameStream::Handler {
  public:
    Connection(ControlServer& server, OwnFd stream)
        : server_(server),
          stream_(server.loop_, std::move(stream), proto::kMaxControlRequest, *this) {}
    ~Connection() override { server_.loop_.cancel_timer(timer_); }

  private:
    void on_frame(std::string_view message) override {
        auto request = proto::parse<proto::ControlRequest>(message, "control request");
        if (!request) {
            refuse();
            return;
        }
        switch (request->request_case()) {
            case proto::ControlRequest::kSetUp:
                answer(server_.actions_.set_up(request->set_up()));
                return;
            case proto::ControlRequest::kFreeze:
                freeze(request->freeze());
                return;
            case proto::ControlRequest::kResume:
                answer(server_.actions_.resume(request->resume()));
                wipe(*request->mutable_resume()->mutable_entropy());
                stream_.wipe_received();
                return;
            case proto::ControlRequest::kPowerOff:
                power_off();
                return;
            case proto::ControlRequest::REQUEST_NOT_SET:
                refuse();
                return;
        }
    }
    void refuse() {
        log::warning("control: a request that is not in the protocol");
        stream_.close();
        remove();
    }
    void freeze(const proto::Freeze& request) {
        stream_.pause();
        server_.actions_.freeze(request,
                                [this, alive = std::weak_ptr(alive_)](const Status& status) {
                                    if (!alive.expired()) {
                                        answer(status);
                                        stream_.resume();
                                    }
                                });
    }
    void power_off() {
        answer(server_.actions_.prepare_power_off());
        stream_.finish();
        // The host closes once it has the answer; one that does not gets its reset all the same.
        powering_off_ = true;
        timer_ = server_.loop_.add_timer(kAnswerTime, server_.actions_.reset);
    }
    void answer(const Status& status) {
        proto::ControlAnswer answer;
        if (!status) {
            answer.set_error(status.error().message);
        }
        answer.set_free_bytes(free_memory());
        answer.set_tsc(__rdtsc());
        stream_.send(answer);
    }
    static void wipe(std::string& secret) { ::explicit_bzero(secret.data(), secret.size()); }
    void on_drained() override {}
    void on_lost(const Error& /*error*/) override {
        if (powering_off_) {
            server_.actions_.reset();
        }
        remove();
    }

    void remove() {
        server_.loop_.post([this, &server = server_, alive = std::weak_ptr(server_.alive_)] {
            if (!alive.expired()) {
                server.connections_.remove_if(
                    [this](const auto& one) { return one.get() == this; });
            }
        });
    }

    ControlServer& server_;
    exec::FrameStream stream_;
    EventLoop::TimerId timer_ = 0;
    bool powering_off_ = false;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

ControlServer::ControlServer(EventLoop& loop, Actions actions)
    : loop_(loop), actions_(std::move(actions)) {}

ControlServer::~ControlServer() = default;

void ControlServer::serve(OwnFd stream) {
    connections_.push_back(std::make_unique<Connection>(*this, std::move(stream)));
}

}  // namespace anchorhold::guest_init
