// Between the control channel and the machine.
#include "vmm/control/session.h"

#include <chrono>
#include <utility>

#include "vmm/control/configuration.h"
#include "vmm/footprint.h"

namespace anchorhold::vmm {
namespace {

// How long the supervisor may take to read the last event.
constexpr Duration kLastWord = std::chrono::seconds(5);
// When a start is surely over, whatever the host is busy with.
constexpr Duration kStarted = std::chrono::milliseconds(250);

uint64_t nanoseconds(TimePoint time) {
    return static_cast<uint64_t>(time.time_since_epoch().count());
}

proto::Ended::Reason wire_reason(const MachineEnd& end, std::string_view panic) {
    switch (end.reason) {
        case MachineEnd::Reason::kReset:
            return panic.empty() ? proto::Ended::RESET : proto::Ended::PANIC;
        case MachineEnd::Reason::kCrash:
            return panic.empty() ? proto::Ended::CRASH : proto::Ended::PANIC;
        case MachineEnd::Reason::kFailed:
            break;
    }
    return proto::Ended::FAILED;
}

}  // namespace

Session::Session(ControlChannel& channel, TimePoint began) : channel_(channel) {
    times_.set_main_ns(nanoseconds(began));
}

Status Session::prepare(Packet first) {
    times_.set_configured_ns(nanoseconds(steady_clock().now()));
    Configuration configuration = ANCHORHOLD_TRY(parse_configuration(std::move(first)));
    loop_ = ANCHORHOLD_TRY(EventLoop::create());
    Machine::Handlers handlers;
    handlers.on_end = [this](MachineEnd end) {
        end_ = std::move(end);
        loop_->stop();
    };
    handlers.on_console = [this](std::string line) {
        proto::VmmEvent event;
        event.mutable_console()->set_data(std::move(line));
        channel_.send(event, ControlChannel::Delivery::kDroppable);
    };
    handlers.on_backend_failure = [this](std::string device, std::string detail) {
        proto::VmmEvent event;
        event.mutable_backend_failed()->set_device(std::move(device));
        event.mutable_backend_failed()->set_detail(std::move(detail));
        channel_.send(event);
    };
    machine_ = ANCHORHOLD_TRY(
        Machine::build(std::move(configuration), *loop_, std::move(handlers), times_));
    return channel_.serve(
        *loop_,
        [this](proto::VmmCommand command, std::vector<OwnFd> fds) {
            obey(std::move(command), std::move(fds));
        },
        [this] {
            supervisor_gone_ = true;
            loop_->stop();
        });
}

Status Session::run() {
    if (const Status started = machine_->start(times_); !started) {
        machine_->stop();
        return report_failure(started.error());
    }
    proto::VmmEvent event;
    *event.mutable_started() = times_;
    channel_.send(event);
    loop_->add_timer(kStarted, shed_start_code);
    const Status dispatched = loop_->run();
    machine_->stop();
    if (supervisor_gone_) {
        return fail("the supervisor has gone");
    }
    const Status delivered = dispatched ? machine_->deliver_last_words() : dispatched;
    return delivered ? report_end(end_) : report_failure(delivered.error());
}

void Session::obey(proto::VmmCommand command, std::vector<OwnFd> fds) {
    switch (command.command_case()) {
        case proto::VmmCommand::kConnect:
            if (command.connect().stream_fd() < fds.size()) {
                // A refused stream is closed here; the supervisor sees its end.
                static_cast<void>(machine_->connect(command.connect().port(),
                                                    std::move(fds[command.connect().stream_fd()])));
            }
            break;
        case proto::VmmCommand::kSetBalloon:
            machine_->set_balloon(command.set_balloon().target_bytes());
            break;
        case proto::VmmCommand::kGetStatistics:
            send_statistics();
            break;
        case proto::VmmCommand::kConfigure:  // once only
        case proto::VmmCommand::kPrepare:
        case proto::VmmCommand::kRestore:
        case proto::VmmCommand::kPause:
        case proto::VmmCommand::kRun:
        case proto::VmmCommand::kSnapshot:
        case proto::VmmCommand::kRecordWorkingSet:
        case proto::VmmCommand::COMMAND_NOT_SET:
            break;
    }
}

void Session::send_statistics() {
    proto::VmmEvent event;
    *event.mutable_statistics() = machine_->statistics();
    channel_.send(event);
}

Status Session::report_end(const MachineEnd& end) {
    proto::VmmEvent event;
    proto::Ended& ended = *event.mutable_ended();
    std::string tail = machine_ ? machine_->console_tail() : std::string();
    const std::string panic(panic_line(tail));
    ended.set_reason(wire_reason(end, panic));
    ended.set_detail(panic.empty() ? end.detail : panic);
    ended.set_console_tail(std::move(tail));
    return channel_.send_last(event, kLastWord);
}

Status Session::report_failure(const Error& error) {
    return report_end({MachineEnd::Reason::kFailed, error.message});
}

}  // namespace anchorhold::vmm
