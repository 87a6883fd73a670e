// A sandbox's life between its start (sandbox_start.cc) and the last word of its VMM.
#include "supervisor/sandbox.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

#include "base/log.h"
#include "base/seqpacket.h"
#include "base/socket_type.h"
#include "base/sys.h"
#include "proto/ports.h"
#include "supervisor/disk.h"
#include "supervisor/vmm_end.h"

namespace anchorhold::supervisor {
namespace {

// From a lost control stream until it is taken for why a sandbox ended.
constexpr Duration kLastWords = std::chrono::seconds(2);

}  // namespace

Sandbox::Sandbox(EventLoop& loop, Handlers handlers)
    : loop_(loop), handlers_(std::move(handlers)) {}

Sandbox::~Sandbox() {
    loop_.cancel_timer(boot_deadline_);
    loop_.remove(guest_streams_.get());
    loop_.remove(ready_stream_.get());
}

Result<OwnFd> Sandbox::open_exec_stream() {
    if (state_ != State::kReady || outcome_.has_value()) {
        return fail("the sandbox is not running");
    }
    return vmm_->connect(proto::kExecPort);
}

Status Sandbox::claim(const GuestIdentity& identity, const proto::ControlRequest* set_up) {
    if (state_ != State::kParked) {
        return fail("the sandbox is not parked");
    }
    timeline_.requested = monotonic_ns();
    proto::VmmCommand command;
    command.mutable_run()->set_stood_still_tsc(timeline_.stand_still());
    timeline_.handed = monotonic_ns();
    ANCHORHOLD_TRY(vmm_->send(command));
    state_ = State::kReady;
    if (set_up == nullptr) {
        return resume_guest(identity);
    }
    return control(*set_up, [this, identity](const Result<proto::ControlAnswer>& answer) {
        const Status resumed =
            answer ? resume_guest(identity) : Status(tl::unexpected(answer.error()));
        if (!resumed) {
            init_failed("the guest could not be set up: ", resumed.error());
        }
    });
}

Status Sandbox::resume_guest(const GuestIdentity& identity) {
    limit_start();
    return control(ANCHORHOLD_TRY(resume_as(identity, timeline_)),
                   [this](const Result<proto::ControlAnswer>& answer) {
                       if (answer) {
                           loop_.cancel_timer(std::exchange(boot_deadline_, 0));
                           timeline_.resumed = timeline_.from_guest_tsc(answer->tsc());
                           if (handlers_.on_resumed) {
                               handlers_.on_resumed();
                           }
                       } else {
                           // Its agent is frozen still, and stays so.
                           init_failed("the guest could not be resumed: ", answer.error());
                       }
                   });
}

// When it is the VMM that died, its end says more, and comes in a moment.
void Sandbox::init_failed(const std::string& what, const Error& error) {
    if (error.code != ECONNRESET) {
        give_up(what + error.message);
        return;
    }
    loop_.cancel_timer(boot_deadline_);
    boot_deadline_ =
        loop_.add_timer(kLastWords, [this, why = what + error.message] { give_up(why); });
}

Status Sandbox::ask(const proto::VmmCommand& command, std::span<const int> fds,
                    proto::VmmEvent::EventCase answer, OnEvent then) {
    if (awaited_) {
        return fail("the sandbox is busy with another request");
    }
    if (outcome_) {
        return fail("the sandbox has ended");
    }
    ANCHORHOLD_TRY(vmm_->send(command, fds));
    awaited_ = Awaited{answer, std::move(then)};
    return {};
}

Status Sandbox::pause(OnEvent on_paused) {
    proto::VmmCommand command;
    command.mutable_pause();
    return ask(command, {}, proto::VmmEvent::kPaused, std::move(on_paused));
}

Status Sandbox::run(OnEvent on_running) {
    proto::VmmCommand command;
    command.mutable_run();
    return ask(command, {}, proto::VmmEvent::kRunning, std::move(on_running));
}

Status Sandbox::snapshot(int state, std::optional<int> memory, OnEvent on_written) {
    proto::VmmCommand command;
    proto::Snapshot& request = *command.mutable_snapshot();
    std::vector<int> fds = {state};
    request.set_state_fd(0);
    request.set_memory(memory ? proto::Snapshot::COPY : proto::Snapshot::SHARE);
    if (memory) {
        fds.push_back(*memory);
        request.set_memory_fd(1);
    }
    return ask(command, fds, proto::VmmEvent::kSnapshotted, checked(std::move(on_written)));
}

Status Sandbox::record_working_set(int target, OnEvent on_written) {
    proto::VmmCommand command;
    command.mutable_record_working_set()->set_fd(0);
    return ask(command, {&target, 1}, proto::VmmEvent::kSnapshotted,
               checked(std::move(on_written)));
}

// An answer that says that it failed is an error.
Sandbox::OnEvent Sandbox::checked(OnEvent then) {
    return [then = std::move(then)](const Result<proto::VmmEvent>& event) {
        if (event && !event->snapshotted().error().empty()) {
            then(fail(log::escaped(event->snapshotted().error(), 300)));
        } else {
            then(event);
        }
    };
}

Status Sandbox::set_balloon(uint64_t bytes) {
    proto::VmmCommand command;
    command.mutable_set_balloon()->set_target_bytes(bytes);
    return vmm_->send(command);
}

Status Sandbox::control(const proto::ControlRequest& request, ControlCall::OnAnswer on_answer) {
    auto stream = ANCHORHOLD_TRY(vmm_->connect(proto::kControlPort));
    const uint64_t number = ++last_control_;
    controls_[number] = ANCHORHOLD_TRY(ControlCall::send(
        loop_, std::move(stream), request,
        [this, number, then = std::move(on_answer)](const Result<proto::ControlAnswer>& answer) {
            // The call that runs this goes with the next turn of the loop.
            loop_.post([held = std::shared_ptr<ControlCall>(
                            std::move(controls_.extract(number).mapped()))] {});
            if (!outcome_.has_value()) {
                then(answer);
            }
        }));
    return {};
}

void Sandbox::destroy() {
    give_up("");
}

Status Sandbox::request_statistics(std::function<void(const proto::Statistics&)> answer) {
    proto::VmmCommand command;
    command.mutable_get_statistics();
    statistics_answer_ = std::move(answer);
    return vmm_->send(command);
}

void Sandbox::give_up(std::string why) {
    if (!outcome_.has_value()) {
        outcome_ = std::move(why);
    }
    vmm_->kill();
}

// A VMM whose pager failed ends too, and knows less about why.
void Sandbox::set_outcome(std::string otherwise) {
    if (outcome_.has_value()) {
        return;
    }
    const auto failure = pager_ ? pager_->failure() : std::nullopt;
    outcome_ = failure.value_or(std::move(otherwise));
}

void Sandbox::handle_event(const proto::VmmEvent& event) {
    if (awaited_ && awaited_->event == event.event_case()) {
        const OnEvent then = std::move(awaited_->then);
        awaited_.reset();
        then(event);
        return;
    }
    switch (event.event_case()) {
        case proto::VmmEvent::kStarted:
            timeline_.take(event.started());
            break;
        case proto::VmmEvent::kEnded:
            set_outcome(describe_end(event.ended(), image_));
            break;
        case proto::VmmEvent::kConsole:
            if (handlers_.on_console) {
                handlers_.on_console(event.console().data());
            }
            break;
        case proto::VmmEvent::kStatistics:
            if (statistics_answer_) {
                std::exchange(statistics_answer_, nullptr)(event.statistics());
            }
            break;
        case proto::VmmEvent::kBackendFailed:
            // The guest saw an I/O error; its work is lost either way, and the reason is the
            // host's.
            give_up(fmt::format(
                "the sandbox's disk failed on this host: {} (free some space below {}, or "
                "use --disk 0)",
                log::escaped(event.backend_failed().detail()), default_disk_folder()));
            break;
        case proto::VmmEvent::kPrepared:
            timeline_.take(event.prepared());
            break;
        case proto::VmmEvent::kRestored:
            handle_restored(event.restored());
            break;
        case proto::VmmEvent::kRunning:  // after claim(): nobody waits for it
            timeline_.running = event.running().run_ns();
            break;
        case proto::VmmEvent::kPaused:
        case proto::VmmEvent::kSnapshotted:
        case proto::VmmEvent::EVENT_NOT_SET:
            break;
    }
}

void Sandbox::handle_restored(const proto::Restored& times) {
    timeline_.take(times);
    loop_.cancel_timer(boot_deadline_);
    if (state_ == State::kParking) {
        state_ = State::kParked;
        handlers_.on_ready();
        return;
    }
    // Not waited for: until init has done it nothing of the agent's runs, commands that are started
    // meanwhile included.
    state_ = State::kReady;
    if (const Status asked = resume_guest(identity_); !asked) {
        give_up(asked.error().message);
        return;
    }
    if (handlers_.on_ready) {
        handlers_.on_ready();
    }
}

void Sandbox::handle_vmm_end(const std::string& how) {
    loop_.cancel_timer(boot_deadline_);
    set_outcome("the VMM ended unexpectedly" + (how.empty() ? "" : ": " + how));
    const auto on_end = std::move(handlers_.on_end);  // it may destroy this object
    const std::string error = *outcome_;
    if (awaited_) {
        const OnEvent then = std::move(awaited_->then);
        awaited_.reset();
        then(fail(error.empty() ? "the sandbox was ended" : error));
    }
    on_end(error);
}

void Sandbox::accept_guest_stream() {
    auto packet = receive_packet(guest_streams_.get());
    if (packet && !packet->has_value()) {
        return;
    }
    if (!packet || (*packet)->bytes.empty()) {
        loop_.remove(guest_streams_.get());
        return;
    }
    const auto stream = proto::parse<proto::GuestStream>((*packet)->bytes, "the VMM's stream");
    // One init speaks once; whatever else the guest opens here is closed unread.
    if (!stream || (*packet)->fds.size() != 1 || state_ != State::kBooting ||
        ready_stream_.valid()) {
        return;
    }
    OwnFd taken = std::move((*packet)->fds.front());
    if (!is_stream_socket(taken.get()) || !sys::set_nonblocking(taken.get())) {
        return;
    }
    ready_stream_ = std::move(taken);
    const Status added =
        loop_.add(ready_stream_.get(), EPOLLIN, [this](uint32_t) { read_ready(); });
    if (!added) {
        give_up(added.error().message);
    }
}

void Sandbox::read_ready() {
    if (outcome_.has_value()) {
        loop_.remove(ready_stream_.get());
        return;  // it has ended, and nobody wants to hear that it is ready
    }
    std::array<std::byte, proto::kMaxControlFrame> buffer;
    const auto count = sys::read_some(ready_stream_.get(), buffer);
    if (count && !count->has_value()) {
        return;
    }
    if (!count || **count == 0) {
        give_up("the guest's init broke off before it was ready");
        return;
    }
    ready_frames_.feed(std::span(buffer).first(**count));
    const auto frame = ready_frames_.next();
    if (frame && !frame->has_value()) {
        return;
    }
    const auto ready = frame ? proto::parse<proto::Ready>(**frame, "init's report")
                             : Result<proto::Ready>(tl::unexpected(frame.error()));
    if (!ready) {
        give_up("the guest's init: " + ready.error().message);
        return;
    }
    handle_ready(*ready);
}

void Sandbox::handle_ready(const proto::Ready& ready) {
    timeline_.ready = monotonic_ns();
    timeline_.init_started = timeline_.from_guest_tsc(ready.tsc_init_started());
    timeline_.init_ready = timeline_.from_guest_tsc(ready.tsc_ready());
    loop_.cancel_timer(boot_deadline_);
    loop_.remove(ready_stream_.get());
    ready_stream_.reset();
    if (ready.protocol_version() != proto::kProtocolVersion) {
        give_up(fmt::format("init speaks protocol {}, this supervisor {}: rebuild both",
                            ready.protocol_version(), proto::kProtocolVersion));
        return;
    }
    for (const std::string& warning : ready.warnings()) {
        log::warning("guest init: {}", log::escaped(warning));
    }
    if (set_up_) {
        set_up_guest();
    } else {
        state_ = State::kReady;
        handlers_.on_ready();
    }
}

void Sandbox::set_up_guest() {
    const Status asked = control(*set_up_, [this](const Result<proto::ControlAnswer>& answer) {
        if (answer) {
            state_ = State::kReady;
            handlers_.on_ready();
        } else {
            init_failed("the guest could not be set up: ", answer.error());
        }
    });
    if (!asked) {
        give_up(asked.error().message);
    }
    set_up_.reset();
}

}  // namespace anchorhold::supervisor
