// A sandbox's life, from descriptors to the last word of its VMM.
#include "supervisor/sandbox.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <vector>

#include "base/log.h"
#include "base/seqpacket.h"
#include "base/socket_type.h"
#include "base/sys.h"
#include "proto/ports.h"
#include "supervisor/disk.h"
#include "supervisor/image.h"

namespace anchorhold::supervisor {
namespace {

using namespace std::chrono_literals;

constexpr Duration kBootPatience =
    120s;  // an emulated host under load takes seconds; nothing takes minutes

// The descriptors of a Configure packet, in the order their indices are given out.
class FdList {
  public:
    uint32_t add(const OwnFd& fd) {
        numbers_.push_back(fd.get());
        return static_cast<uint32_t>(numbers_.size() - 1);
    }
    [[nodiscard]] std::span<const int> numbers() const { return numbers_; }

  private:
    std::vector<int> numbers_;
};

// The last line of a guest's kernel messages, printable.
std::string last_line(std::string_view tail) {
    while (!tail.empty() && (tail.back() == '\n' || tail.back() == '\r')) {
        tail.remove_suffix(1);
    }
    const size_t begin = tail.rfind('\n');
    return log::escaped(begin == std::string_view::npos ? tail : tail.substr(begin + 1), 200);
}

// What init said before it gave up (guest-init/main.cc), or nothing.
std::string last_words_of_init(std::string_view tail) {
    constexpr std::string_view kMark = "anchorhold-init: cannot start: ";
    const size_t begin = tail.rfind(kMark);
    if (begin == std::string_view::npos) {
        return {};
    }
    const std::string_view rest = tail.substr(begin + kMark.size());
    return log::escaped(rest.substr(0, rest.find_first_of("\r\n")), 300);
}

std::string describe(const proto::Ended& ended, const std::string& image) {
    if (const std::string reason = last_words_of_init(ended.console_tail()); !reason.empty()) {
        return fmt::format("image {}: the guest cannot start from it: {}", image, reason);
    }
    switch (ended.reason()) {
        case proto::Ended::RESET:
            return "the guest reset itself";
        case proto::Ended::PANIC:
            return fmt::format("guest kernel panic: {}", log::escaped(ended.detail(), 300));
        case proto::Ended::CRASH: {
            const std::string line = last_line(ended.console_tail());
            return fmt::format("the guest crashed: {}{}{}", log::escaped(ended.detail(), 300),
                               line.empty() ? "" : "; its kernel's last line: ", line);
        }
        case proto::Ended::FAILED:
            return log::escaped(ended.detail(), 400);
        default:
            return "the VMM ended for a reason it did not name";
    }
}

}  // namespace

Sandbox::Sandbox(EventLoop& loop, Handlers handlers)
    : loop_(loop), handlers_(std::move(handlers)) {}

Result<std::unique_ptr<Sandbox>> Sandbox::start(EventLoop& loop, const Installation& installation,
                                                const SandboxSpec& spec, SandboxParts parts,
                                                Handlers handlers) {
    std::unique_ptr<Sandbox> sandbox(new Sandbox(loop, std::move(handlers)));
    sandbox->timeline_.requested = monotonic_ns();
    sandbox->image_ = installation.image_path(spec.image);
    const uint64_t host_memory = ANCHORHOLD_TRY(host_memory_bytes());
    ANCHORHOLD_TRY(validate(spec, host_memory));

    const OwnFd kvm = ANCHORHOLD_TRY(sys::open(installation.kvm, O_RDWR));
    const OwnFd kernel =
        ANCHORHOLD_TRY(open_kernel(spec.kernel.empty() ? installation.kernel : spec.kernel));
    const OwnFd initrd = ANCHORHOLD_TRY(sys::open(installation.initrd, O_RDONLY));
    const OwnFd image = ANCHORHOLD_TRY(open_image(sandbox->image_));
    OwnFd disk;
    if (spec.disk_bytes != 0) {
        disk = ANCHORHOLD_TRY(
            make_disk({spec.disk_bytes, default_disk_folder(), installation.disk_template}));
    }
    auto [ours, theirs] = ANCHORHOLD_TRY(sys::socket_pair(SOCK_SEQPACKET | SOCK_NONBLOCK));
    sandbox->guest_streams_ = std::move(ours);

    FdList fds;
    proto::Configure configure;
    configure.set_vcpus(spec.cpus);
    configure.set_memory_bytes(spec.memory_bytes);
    configure.set_console(spec.console);
    configure.set_kvm_fd(fds.add(kvm));
    configure.set_kernel_fd(fds.add(kernel));
    configure.set_initrd_fd(fds.add(initrd));
    proto::Block* root = configure.add_blocks();
    root->set_fd(fds.add(image));
    root->set_read_only(true);
    root->set_id("root");
    if (disk.valid()) {
        proto::Block* upper = configure.add_blocks();
        upper->set_fd(fds.add(disk));
        upper->set_id("disk");
    }
    proto::StreamChannel* channel = configure.add_stream_channels();
    channel->set_fd(fds.add(theirs));
    channel->add_ports(proto::kReadyPort);

    for (const GuestChannel& guest_channel : parts.channels) {
        proto::StreamChannel* other = configure.add_stream_channels();
        other->set_fd(fds.add(guest_channel.socket));
        other->add_ports(guest_channel.port);
    }
    sandbox->set_up_ = std::move(parts.set_up);

    Sandbox* self = sandbox.get();
    ANCHORHOLD_TRY(loop.add(sandbox->guest_streams_.get(), EPOLLIN,
                            [self](uint32_t) { self->accept_guest_stream(); }));
    sandbox->timeline_.spawned = monotonic_ns();
    sandbox->vmm_ = ANCHORHOLD_TRY(
        VmmProcess::start(loop, installation.vmm, configure, fds.numbers(),
                          {[self](const proto::VmmEvent& event) { self->handle_event(event); },
                           [self](const std::string& how) { self->handle_vmm_end(how); }}));
    sandbox->boot_deadline_ = loop.add_timer(kBootPatience, [self] {
        self->give_up(
            fmt::format("the guest did not become ready within {} s",
                        std::chrono::duration_cast<std::chrono::seconds>(kBootPatience).count()));
    });
    return sandbox;
}

Sandbox::~Sandbox() {
    loop_.cancel_timer(boot_deadline_);
    loop_.remove(guest_streams_.get());
    loop_.remove(ready_stream_.get());
}

Result<OwnFd> Sandbox::open_exec_stream() {
    if (!ready_ || outcome_.has_value()) {
        return fail("the sandbox is not running");
    }
    return vmm_->connect(proto::kExecPort);
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

void Sandbox::handle_event(const proto::VmmEvent& event) {
    switch (event.event_case()) {
        case proto::VmmEvent::kStarted:
            timeline_.take(event.started());
            break;
        case proto::VmmEvent::kEnded:
            if (!outcome_.has_value()) {
                outcome_ = describe(event.ended(), image_);
            }
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
        case proto::VmmEvent::kRestored:
        case proto::VmmEvent::kPaused:
        case proto::VmmEvent::kRunning:
        case proto::VmmEvent::kSnapshotted:
        case proto::VmmEvent::EVENT_NOT_SET:
            break;
    }
}

void Sandbox::handle_vmm_end(const std::string& how) {
    loop_.cancel_timer(boot_deadline_);
    if (!outcome_.has_value()) {
        outcome_ = "the VMM ended unexpectedly" + (how.empty() ? "" : ": " + how);
    }
    const auto on_end = std::move(handlers_.on_end);  // it may destroy this object
    const std::string error = *outcome_;
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
    if (!stream || (*packet)->fds.size() != 1 || ready_ || ready_stream_.valid()) {
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
    ready_ = true;
    if (set_up_) {
        set_up_guest();
    } else {
        handlers_.on_ready();
    }
}

void Sandbox::set_up_guest() {
    auto stream = vmm_->connect(proto::kControlPort);
    auto call =
        stream ? ControlCall::send(
                     loop_, std::move(*stream), *set_up_,
                     [this](const std::string& error) {
                         // The call that runs this goes with the next turn of the loop.
                         loop_.post([held = std::shared_ptr<ControlCall>(std::move(control_))] {});
                         if (outcome_.has_value()) {
                             return;
                         }
                         if (error.empty()) {
                             handlers_.on_ready();
                         } else {
                             give_up("the guest could not be set up: " + error);
                         }
                     })
               : Result<std::unique_ptr<ControlCall>>(tl::unexpected(stream.error()));
    if (!call) {
        give_up(call.error().message);
        return;
    }
    control_ = std::move(*call);
    set_up_.reset();
}

}  // namespace anchorhold::supervisor
