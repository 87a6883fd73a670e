// A variant without a VMM.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "base/event_loop.h"
#include "base/sys.h"
#include "bench/variant.h"
#include "proto/exec.pb.h"
#include "proto/frame.h"

namespace anchorhold::bench {

// Plays a VMM and its guest within this process: ready at once, and the exec stream answers as it
// is told.
class FakeVariant final : public Variant {
  public:
    FakeVariant(EventLoop& loop, std::string name, std::string output)
        : loop_(loop), output_(std::move(output)) {
        description_.name = std::move(name);
    }

    [[nodiscard]] const VariantDescription& description() const override { return description_; }
    Status start(Handlers handlers) override {
        handlers_ = std::move(handlers);
        timeline_ = {};
        timeline_.requested = timeline_.spawned = supervisor::monotonic_ns();
        ++starts;
        if (starts > silent_starts) {
            loop_.post(
                [this] { failure.empty() ? handlers_.on_ready() : handlers_.on_end(failure); });
        }
        return {};
    }
    Result<OwnFd> open_exec_stream() override {
        auto [ours, theirs] = ANCHORHOLD_TRY(sys::socket_pair(SOCK_STREAM | SOCK_NONBLOCK));
        std::string frames;
        proto::ExecServerFrame frame;
        frame.mutable_started()->set_tsc_exec(7);
        proto::append_frame(frames, frame);
        if (!output_.empty()) {
            frame.mutable_output()->set_stream(proto::STDOUT);
            frame.mutable_output()->set_data(output_);
            proto::append_frame(frames, frame);
        }
        frame.mutable_exited()->set_code(0);
        proto::append_frame(frames, frame);
        ANCHORHOLD_TRY(sys::write_all(theirs.get(), frames));
        guest_ = std::move(theirs);
        return std::move(ours);
    }
    void note_exec(uint64_t guest_tsc) override { timeline_.exec = timeline_.spawned + guest_tsc; }
    void note_first_byte() override { timeline_.first_byte = supervisor::monotonic_ns(); }
    [[nodiscard]] const supervisor::Timeline& timeline() const override { return timeline_; }
    [[nodiscard]] pid_t vmm_pid() const override { return ::getpid(); }
    [[nodiscard]] GuestMappings guest_mappings() const override { return {}; }
    void destroy() override {
        loop_.post([this] { handlers_.on_end(""); });
    }

    int starts = 0;
    int silent_starts = 0;  // the first so many are never ready
    std::string failure;

  private:
    EventLoop& loop_;
    std::string output_;
    VariantDescription description_;
    Handlers handlers_;
    supervisor::Timeline timeline_;
    OwnFd guest_;
};

}  // namespace anchorhold::bench
