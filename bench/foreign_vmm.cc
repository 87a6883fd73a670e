// The same steps as supervisor/sandbox.cc, for a VMM that opens its own files and tells nothing
// about itself.
#include "bench/foreign_vmm.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <x86intrin.h>

#include <array>
#include <charconv>
#include <utility>

#include "base/log.h"
#include "base/sys.h"
#include "bench/counters.h"
#include "proto/ports.h"

namespace anchorhold::bench {
namespace {

constexpr size_t kMaxLastWords = 64 * 1024;

std::string last_line(int output) {
    const auto text = sys::read_file(fmt::format("/proc/self/fd/{}", output), kMaxLastWords);
    if (!text) {
        return {};
    }
    const size_t end = text->find_last_not_of("\r\n ");
    if (end == std::string::npos) {
        return {};
    }
    const size_t begin = text->rfind('\n', end);
    return log::escaped(
        std::string_view(*text).substr(begin == std::string::npos ? 0 : begin + 1,
                                       end - (begin == std::string::npos ? 0 : begin + 1) + 1));
}

}  // namespace

std::optional<uint64_t> kvm_tsc_offset(const std::string& debugfs, pid_t vmm) {
    const std::string folder = kvm_statistics_folder(debugfs, vmm);
    const auto text = sys::read_file(folder + "/vcpu0/tsc-offset", 64);
    int64_t offset = 0;
    if (!folder.empty() && text &&
        std::from_chars(text->data(), text->data() + text->size(), offset).ec == std::errc()) {
        return static_cast<uint64_t>(offset);
    }
    return std::nullopt;
}

ForeignVmm::ForeignVmm(EventLoop& loop, ForeignVmmSettings settings)
    : loop_(loop), settings_(std::move(settings)) {}

ForeignVmm::~ForeignVmm() {
    forget();
}

ForeignVmm::Instant ForeignVmm::now() {
    return {.nanoseconds = supervisor::monotonic_ns(), .tsc = __rdtsc()};
}

Status ForeignVmm::start(Handlers handlers) {
    forget();
    handlers_ = std::move(handlers);
    const Status launched = launch();
    if (!launched) {
        forget();
        return tl::unexpected(launched.error().within(settings_.description.name));
    }
    return {};
}

Status ForeignVmm::launch() {
    timeline_.requested = supervisor::monotonic_ns();
    const OwnFd nothing = ANCHORHOLD_TRY(sys::open("/dev/null", O_RDWR));
    output_ = ANCHORHOLD_TRY(sys::memfd("vmm-output", 0));
    OwnFd disk;
    if (settings_.disk.bytes != 0) {
        disk = ANCHORHOLD_TRY(supervisor::make_disk(settings_.disk));
    }
    if (!settings_.description.configuration.empty()) {
        ANCHORHOLD_TRY(
            sys::write_file(settings_.configuration_path, settings_.description.configuration));
    }
    listener_ = ANCHORHOLD_TRY(settings_.link->listen(proto::kReadyPort));
    ANCHORHOLD_TRY(loop_.add(listener_.get(), EPOLLIN, [this](uint32_t) { accept_ready(); }));

    SpawnRequest request;
    request.arguments = settings_.description.command_line;
    request.path = request.arguments.front();
    request.descriptors = {{nothing.get(), 0}, {output_.get(), 1}, {output_.get(), 2}};
    if (disk.valid()) {
        request.descriptors.emplace_back(disk.get(), 3);  // kDiskPath
    }
    request.new_session = true;
    begin_ = now();
    timeline_.spawned = begin_.nanoseconds;
    child_ = ANCHORHOLD_TRY(spawn(request));
    return loop_.add(child_.pidfd(), EPOLLIN, [this](uint32_t) { handle_exit(); });
}

// Back to before start(); a VMM that runs is killed.
void ForeignVmm::forget() {
    loop_.remove(listener_.get());
    loop_.remove(ready_stream_.get());
    loop_.remove(child_.pidfd());
    listener_.reset();
    ready_stream_.reset();
    Child ended = std::exchange(child_, Child());
    frames_ = proto::FrameReader(proto::kMaxControlFrame);
    timeline_ = {};
    outcome_.reset();
    begin_ = ready_arrival_ = {};
    tsc_init_started_ = tsc_ready_ = tsc_exec_ = 0;
}

void ForeignVmm::accept_ready() {
    OwnFd accepted(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!accepted.valid() || ready_stream_.valid()) {
        return;
    }
    if (const Status ours = settings_.link->check_peer(accepted.get()); !ours) {
        log::warning("{}: {}", settings_.description.name, ours.error().message);
        return;
    }
    ready_stream_ = std::move(accepted);
    const Status added =
        loop_.add(ready_stream_.get(), EPOLLIN, [this](uint32_t) { read_ready(); });
    if (!added) {
        give_up(added.error().message);
    }
}

void ForeignVmm::read_ready() {
    std::array<std::byte, proto::kMaxControlFrame> buffer;
    const auto count = sys::read_some(ready_stream_.get(), buffer);
    if (count && !count->has_value()) {
        return;
    }
    if (!count || **count == 0) {
        give_up("the guest's init broke off before it was ready");
        return;
    }
    frames_.feed(std::span(buffer).first(**count));
    const auto frame = frames_.next();
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

void ForeignVmm::handle_ready(const proto::Ready& ready) {
    ready_arrival_ = now();
    timeline_.ready = ready_arrival_.nanoseconds;
    tsc_init_started_ = ready.tsc_init_started();
    tsc_ready_ = ready.tsc_ready();
    loop_.remove(ready_stream_.get());
    ready_stream_.reset();
    if (ready.protocol_version() != proto::kProtocolVersion) {
        give_up(fmt::format("init speaks protocol {}, this program {}: rebuild both",
                            ready.protocol_version(), proto::kProtocolVersion));
        return;
    }
    handlers_.on_ready();
}

Result<OwnFd> ForeignVmm::open_exec_stream() {
    OwnFd stream = ANCHORHOLD_TRY(settings_.link->connect(proto::kExecPort));
    ANCHORHOLD_TRY(sys::set_nonblocking(stream.get()));
    return stream;
}

void ForeignVmm::note_first_byte() {
    const Instant end = now();
    timeline_.first_byte = end.nanoseconds;
    const uint64_t elapsed = end.nanoseconds - begin_.nanoseconds;
    if (elapsed == 0) {
        return;
    }
    // Host and guest count at one rate; the offset between them is KVM's to tell.
    supervisor::Timeline relation;
    relation.host_tsc_at = begin_.nanoseconds;
    relation.host_tsc = begin_.tsc;
    __extension__ using Wide = unsigned __int128;
    relation.tsc_khz = static_cast<uint64_t>(Wide{end.tsc - begin_.tsc} * 1'000'000U / elapsed);
    relation.guest_tsc_offset =
        kvm_tsc_offset("/sys/kernel/debug", child_.pid()).value_or(tsc_ready_ - ready_arrival_.tsc);
    timeline_.init_started = relation.from_guest_tsc(tsc_init_started_);
    timeline_.init_ready = relation.from_guest_tsc(tsc_ready_);
    timeline_.exec = relation.from_guest_tsc(tsc_exec_);
}

GuestMappings ForeignVmm::guest_mappings() const {
    return {.name = {}, .bytes = settings_.memory_bytes};
}

void ForeignVmm::give_up(std::string why) {
    if (!outcome_.has_value()) {
        outcome_ = std::move(why);
    }
    if (child_.running()) {
        [[maybe_unused]] const Status sent = child_.signal(SIGKILL);
    }
}

void ForeignVmm::handle_exit() {
    loop_.remove(child_.pidfd());
    loop_.remove(listener_.get());
    const auto status = child_.wait();
    if (!outcome_.has_value()) {
        const std::string words = last_line(output_.get());
        outcome_ = fmt::format(
            "{} ended unexpectedly{}{}{}", settings_.description.name,
            status && status->code != 0 ? fmt::format(" with exit status {}", status->code) : "",
            words.empty() ? " (its guest reset itself)" : ": ", words);
    }
    const auto on_end =
        std::move(handlers_.on_end);  // it may start the next or destroy this object
    const std::string error = *outcome_;
    on_end(error);
}

}  // namespace anchorhold::bench
