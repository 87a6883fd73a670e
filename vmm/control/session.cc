// Between the control channel and the machine.
#include "vmm/control/session.h"

#include <sys/mman.h>

#include <chrono>
#include <utility>
#include <variant>

#include "base/sys.h"
#include "vmm/control/configuration.h"
#include "vmm/footprint.h"

namespace anchorhold::vmm {
namespace {

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

Session::Session(ControlChannel& channel, OwnFd pagemap, TimePoint began)
    : channel_(channel), pagemap_(std::move(pagemap)) {
    times_.set_main_ns(nanoseconds(began));
}

Status Session::prepare(Packet first) {
    times_.set_configured_ns(nanoseconds(steady_clock().now()));
    FirstPacket configuration = ANCHORHOLD_TRY(parse_first_packet(std::move(first)));
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
    ANCHORHOLD_TRY(build(std::move(configuration), std::move(handlers)));
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

Status Session::build(FirstPacket first, Machine::Handlers handlers) {
    if (auto* boot = std::get_if<BootConfiguration>(&first)) {
        boot_ = std::move(*boot);
        if (!boot_->memory.valid()) {
            // Sealable, because a fork freezes the file it leaves behind.
            boot_->memory = ANCHORHOLD_TRY(
                sys::memfd("guest-memory", boot_->shell.memory_bytes, MFD_ALLOW_SEALING));
        }
    }
    ShellConfiguration& shell = boot_ ? boot_->shell : std::get<ShellConfiguration>(first);
    shell.pagemap = std::move(pagemap_);
    machine_ =
        ANCHORHOLD_TRY(Machine::prepare(std::move(shell), *loop_, std::move(handlers), times_));
    return {};
}

Status Session::begin() {
    proto::VmmEvent event;
    if (!boot_) {
        event.mutable_prepared()->set_main_ns(times_.main_ns());
        event.mutable_prepared()->set_prepared_ns(times_.created_ns());
        event.mutable_prepared()->set_create_vm_ns(times_.create_vm_ns());
    } else {
        ANCHORHOLD_TRY(machine_->load(*std::exchange(boot_, std::nullopt), times_));
        ANCHORHOLD_TRY(machine_->start(times_));
        *event.mutable_started() = times_;
    }
    channel_.send(event);
    shed_soon();
    return {};
}

void Session::shed_soon() {
    loop_->cancel_timer(shedding_);
    shedding_ = loop_->add_timer(kStarted, shed_start_code);
}

Status Session::run() {
    if (const Status begun = begin(); !begun) {
        machine_->stop();
        return report_failure(begun.error());
    }
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
            connect(command.connect(), std::move(fds));
            break;
        case proto::VmmCommand::kSetBalloon:
            machine_->set_balloon(command.set_balloon().target_bytes());
            break;
        case proto::VmmCommand::kGetStatistics:
            send_statistics();
            break;
        case proto::VmmCommand::kRestore:
            restore(command.restore(), std::move(fds));
            break;
        case proto::VmmCommand::kPause:
            pause();
            break;
        case proto::VmmCommand::kRun:
            go_on(command.run());
            break;
        case proto::VmmCommand::kSnapshot:
            snapshot(command.snapshot(), std::move(fds));
            break;
        case proto::VmmCommand::kRecordWorkingSet:
            record_working_set(command.record_working_set(), std::move(fds));
            break;
        case proto::VmmCommand::kConfigure:  // once only
        case proto::VmmCommand::kPrepare:
        case proto::VmmCommand::COMMAND_NOT_SET:
            break;
    }
}

void Session::connect(const proto::Connect& request, std::vector<OwnFd> fds) {
    if (request.stream_fd() < fds.size()) {
        // A refused stream is closed here; the supervisor sees its end.
        static_cast<void>(machine_->connect(request.port(), std::move(fds[request.stream_fd()])));
    }
}

void Session::restore(const proto::Restore& request, std::vector<OwnFd> fds) {
    proto::VmmEvent event;
    proto::Restored& times = *event.mutable_restored();
    auto configuration = parse_restore(request, std::move(fds));
    Status restored = configuration ? Status() : Status(tl::unexpected(configuration.error()));
    if (restored) {
        const bool run = configuration->start == RestoreConfiguration::Start::kRunning;
        restored = machine_->restore(std::move(*configuration), times);
        if (restored && run) {
            restored = machine_->start(times);
        }
    }
    if (!restored) {
        // Half of a machine must not go on as one.
        end_ = {MachineEnd::Reason::kFailed, "restore: " + restored.error().message};
        loop_->stop();
        return;
    }
    channel_.send(event);
    shed_soon();
}

void Session::pause() {
    machine_->pause([this] {
        proto::VmmEvent event;
        event.mutable_paused()->set_paused_ns(nanoseconds(steady_clock().now()));
        event.mutable_paused()->set_open_streams(machine_->statistics().open_streams());
        channel_.send(event);
    });
}

void Session::go_on(const proto::Run& request) {
    proto::VmmEvent event;
    event.mutable_running()->set_run_ns(nanoseconds(steady_clock().now()));
    if (const Status running = machine_->run(request.stood_still_tsc()); !running) {
        end_ = {MachineEnd::Reason::kFailed, running.error().message};
        loop_->stop();
        return;
    }
    channel_.send(event);
    shed_soon();
}

void Session::snapshot(const proto::Snapshot& request, std::vector<OwnFd> fds) {
    SnapshotTargets targets;
    const bool share = request.memory() == proto::Snapshot::SHARE;
    if (request.memory() != proto::Snapshot::COPY && !share) {
        return send_snapshotted(fail("snapshot: this build cannot write memory that way"));
    }
    targets.how = share ? SnapshotTargets::Memory::kShare : SnapshotTargets::Memory::kCopy;
    const auto take = [&fds](uint32_t index) {
        return index < fds.size() ? std::move(fds[index]) : OwnFd();
    };
    targets.state = take(request.state_fd());
    if (request.has_memory_fd()) {
        targets.memory = take(request.memory_fd());
    }
    if (!targets.state.valid() || targets.memory.valid() == share) {
        return send_snapshotted(fail("snapshot: the packet lacks a descriptor it names"));
    }
    send_snapshotted(machine_->snapshot(std::move(targets)));
}

void Session::record_working_set(const proto::RecordWorkingSet& request, std::vector<OwnFd> fds) {
    if (request.fd() >= fds.size()) {
        return send_snapshotted(fail("working set: the packet lacks the descriptor it names"));
    }
    send_snapshotted(machine_->record_working_set(fds[request.fd()]));
}

void Session::send_snapshotted(Result<proto::Snapshotted> done) {
    proto::VmmEvent event;
    if (done) {
        *event.mutable_snapshotted() = std::move(*done);
    } else {
        event.mutable_snapshotted()->set_error(done.error().message);
    }
    channel_.send(event);
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
    return channel_.send_last(event);
}

Status Session::report_failure(const Error& error) {
    return report_end({MachineEnd::Reason::kFailed, error.message});
}

}  // namespace anchorhold::vmm
