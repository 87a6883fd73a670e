// Opening everything a sandbox is made from, and the packets that make a VMM that sandbox.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <chrono>
#include <utility>
#include <vector>

#include "base/sys.h"
#include "proto/ports.h"
#include "supervisor/disk.h"
#include "supervisor/image.h"
#include "supervisor/sandbox.h"

namespace anchorhold::supervisor {
namespace {

using namespace std::chrono_literals;

// An emulated host under load takes seconds; nothing takes minutes.
constexpr Duration kBootPatience = 120s;

// The descriptors of a packet, in the order their indices are given out.
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

// Of Configure and of Restore.
template <typename Message>
void add_disks(Message& message, FdList& fds, const OwnFd& image, const OwnFd& disk) {
    proto::Block* root = message.add_blocks();
    root->set_fd(fds.add(image));
    root->set_read_only(true);
    root->set_id("root");
    if (disk.valid()) {
        proto::Block* upper = message.add_blocks();
        upper->set_fd(fds.add(disk));
        upper->set_id("disk");
    }
}

template <typename Message>
void add_channels(Message& message, FdList& fds, const OwnFd& ready,
                  const std::vector<GuestChannel>& channels) {
    proto::StreamChannel* channel = message.add_stream_channels();
    channel->set_fd(fds.add(ready));
    channel->add_ports(proto::kReadyPort);
    for (const GuestChannel& guest_channel : channels) {
        proto::StreamChannel* other = message.add_stream_channels();
        other->set_fd(fds.add(guest_channel.socket));
        other->add_ports(guest_channel.port);
    }
}

}  // namespace

VmmProcess::Handlers Sandbox::vmm_handlers() {
    return {[this](const proto::VmmEvent& event) { handle_event(event); },
            [this](const std::string& how) { handle_vmm_end(how); }};
}

// Where the guest's own streams arrive; the VMM's end of it.
Result<OwnFd> Sandbox::watch_guest_streams() {
    auto [ours, theirs] = ANCHORHOLD_TRY(sys::socket_pair(SOCK_SEQPACKET | SOCK_NONBLOCK));
    guest_streams_ = std::move(ours);
    ANCHORHOLD_TRY(
        loop_.add(guest_streams_.get(), EPOLLIN, [this](uint32_t) { accept_guest_stream(); }));
    return std::move(theirs);
}

void Sandbox::limit_start() {
    boot_deadline_ = loop_.add_timer(kBootPatience, [this] {
        give_up(
            fmt::format("the guest did not become ready within {} s",
                        std::chrono::duration_cast<std::chrono::seconds>(kBootPatience).count()));
    });
}

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
    sandbox->disk_ = std::move(parts.disk);
    if (spec.disk_bytes != 0 && !sandbox->disk_.valid()) {
        sandbox->disk_ = ANCHORHOLD_TRY(
            make_disk({spec.disk_bytes, default_disk_folder(), installation.disk_template}));
    }
    const OwnFd streams = ANCHORHOLD_TRY(sandbox->watch_guest_streams());

    FdList fds;
    proto::VmmCommand command;
    proto::Configure& configure = *command.mutable_configure();
    configure.set_vcpus(spec.cpus);
    configure.set_memory_bytes(spec.memory_bytes);
    configure.set_console(spec.console);
    configure.set_kvm_fd(fds.add(kvm));
    configure.set_kernel_fd(fds.add(kernel));
    configure.set_initrd_fd(fds.add(initrd));
    if (parts.memory.valid()) {
        configure.set_memory_fd(fds.add(parts.memory));
    }
    add_disks(configure, fds, image, sandbox->disk_);
    add_channels(configure, fds, streams, parts.channels);
    sandbox->set_up_ = std::move(parts.set_up);

    sandbox->timeline_.spawned = monotonic_ns();
    sandbox->vmm_ = ANCHORHOLD_TRY(
        VmmProcess::start(loop, installation.vmm, command, fds.numbers(), sandbox->vmm_handlers()));
    sandbox->limit_start();
    return sandbox;
}

Result<std::unique_ptr<Sandbox>> Sandbox::restore(EventLoop& loop, const Installation& installation,
                                                  RestoreRequest request, SandboxParts parts,
                                                  Handlers handlers) {
    const SnapshotFiles& files = request.files;
    std::unique_ptr<Sandbox> sandbox(new Sandbox(loop, std::move(handlers)));
    sandbox->timeline_.requested = monotonic_ns();
    sandbox->image_ = files.image;
    if (!request.shell) {
        request.shell = ANCHORHOLD_TRY(Shell::start(loop, installation, files.shape, {}));
    } else if (request.shell->shape() != files.shape) {
        return fail("the prepared VMM is of another shape than the snapshot");
    }
    // While the VMM starts, where it does only now.
    sandbox->disk_ = parts.disk.valid() ? std::move(parts.disk) : request.shell->take_disk();
    if (files.disk.valid() && !sandbox->disk_.valid()) {
        sandbox->disk_ = ANCHORHOLD_TRY(clone_disk(files.disk.get(), default_disk_folder()));
    }
    const OwnFd streams = ANCHORHOLD_TRY(sandbox->watch_guest_streams());

    FdList fds;
    proto::VmmCommand command;
    proto::Restore& restore = *command.mutable_restore();
    restore.set_state_fd(fds.add(files.state));
    const MemoryBackend memory = ANCHORHOLD_TRY(choose_backend(files.form, request.memory));
    PagerProcess::VmmSide pager;
    if (memory == MemoryBackend::kFile) {
        restore.set_memory_fd(fds.add(files.memory));
        if (files.working_set.valid()) {
            restore.set_working_set_fd(fds.add(files.working_set));
        }
    } else {
        auto started = ANCHORHOLD_TRY(PagerProcess::start(
            loop, installation, files,
            [self = sandbox.get()](const std::string& why) { self->give_up(why); }));
        sandbox->pager_ = std::move(started.pager);
        pager = std::move(started.vmm);
        restore.set_pager_fd(fds.add(pager.socket));
        restore.set_userfaultfd_fd(fds.add(pager.device));
    }
    add_disks(restore, fds, files.image_file, sandbox->disk_);
    add_channels(restore, fds, streams, parts.channels);
    const bool park = request.start == RestoreRequest::Start::kPark;
    restore.set_run(!park);

    sandbox->timeline_.spawned = request.shell->spawned_ns();
    sandbox->timeline_.take(request.shell->times());
    sandbox->vmm_ = request.shell->take(sandbox->vmm_handlers());
    sandbox->timeline_.handed = monotonic_ns();
    ANCHORHOLD_TRY(sandbox->vmm_->send(command, fds.numbers()));
    sandbox->limit_start();
    sandbox->state_ = park ? State::kParking : State::kRestoring;
    sandbox->identity_ = std::move(request.identity);
    return sandbox;
}

}  // namespace anchorhold::supervisor
