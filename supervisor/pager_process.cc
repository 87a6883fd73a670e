// PagerStart out; one packet back, which is its last.
#include "supervisor/pager_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <utility>
#include <vector>

#include "base/log.h"
#include "base/seqpacket.h"
#include "base/sys.h"
#include "proto/frame.h"
#include "proto/pager.pb.h"

namespace anchorhold::supervisor {
namespace {

constexpr int kControlFd = 3;  // the number it expects its control socket at

std::string words(const proto::PagerFailed& failed) {
    std::string text = "the guest's memory cannot be served: " + log::escaped(failed.error(), 300);
    if (failed.cause() == proto::PagerFailed::FILES ||
        failed.cause() == proto::PagerFailed::MEMORY) {
        text += "; the template is damaged, create it again";
    }
    return text;
}

}  // namespace

Result<PagerProcess::Started> PagerProcess::start(EventLoop& loop, const Installation& installation,
                                                  const SnapshotFiles& files, OnFailed on_failed) {
    if (!files.digests.valid()) {
        return fail(
            "the userfaultfd memory backend checks memory against its digests, and this "
            "snapshot has none");
    }
    VmmSide vmm;
    vmm.device = ANCHORHOLD_TRY(open_userfaultfd_device());
    auto [ours, theirs] = ANCHORHOLD_TRY(sys::socket_pair(SOCK_SEQPACKET));
    auto [pager_end, vmm_end] = ANCHORHOLD_TRY(sys::socket_pair(SOCK_SEQPACKET));
    vmm.socket = std::move(vmm_end);
    const OwnFd nothing = ANCHORHOLD_TRY(sys::open("/dev/null", O_RDWR));
    SpawnRequest request;
    request.path = installation.library + "/anchorhold-pager";
    request.arguments = {"anchorhold-pager"};
    // Its only message besides its control socket: a last word on stderr when it aborts.
    request.descriptors = {
        {nothing.get(), 0}, {nothing.get(), 1}, {2, 2}, {theirs.get(), kControlFd}};
    request.new_session = true;
    Child child = ANCHORHOLD_TRY(spawn(request));
    std::unique_ptr<PagerProcess> pager(
        new PagerProcess(loop, std::move(child), std::move(ours), std::move(on_failed)));

    proto::PagerStart start;
    std::vector<int> fds = {files.memory.get(), files.digests.get(), pager_end.get()};
    start.set_memory_fd(0);
    start.set_form(files.form == MemoryForm::kCompressed ? proto::PagerStart::COMPRESSED
                                                         : proto::PagerStart::SPARSE);
    start.set_digests_fd(1);
    start.set_vmm_fd(2);
    if (files.working_set.valid()) {
        start.set_working_set_fd(3);
        fds.push_back(files.working_set.get());
    }
    if (const Status sent = send_packet(pager->control_.get(), start.SerializeAsString(), fds);
        !sent) {
        return tl::unexpected(sent.error().within("anchorhold-pager"));
    }
    ANCHORHOLD_TRY(pager->watch());
    return Started{std::move(pager), std::move(vmm)};
}

Result<std::unique_ptr<PagerProcess>> PagerProcess::adopt(EventLoop& loop, OwnFd control,
                                                          OwnFd pidfd, OnFailed on_failed) {
    std::unique_ptr<PagerProcess> pager(new PagerProcess(loop, Child::from_pidfd(std::move(pidfd)),
                                                         std::move(control), std::move(on_failed)));
    ANCHORHOLD_TRY(pager->watch());
    return pager;
}

PagerProcess::~PagerProcess() {
    loop_.remove(control_.get());
    loop_.remove(child_.pidfd());
}

Status PagerProcess::watch() {
    ANCHORHOLD_TRY(sys::set_nonblocking(control_.get()));
    ANCHORHOLD_TRY(loop_.add(control_.get(), EPOLLIN, [this](uint32_t) {
        receive();
        tell();
    }));
    return loop_.add(child_.pidfd(), EPOLLIN, [this](uint32_t) { ended(); });
}

std::optional<std::string> PagerProcess::failure() {
    receive();
    return failure_;
}

void PagerProcess::receive() {
    if (said_all_) {
        return;
    }
    auto packet = receive_packet(control_.get());
    if (packet && !packet->has_value()) {
        return;
    }
    said_all_ = true;
    loop_.remove(control_.get());
    if (!packet || (*packet)->bytes.empty()) {
        return;  // the pidfd tells the rest
    }
    const auto event = proto::parse<proto::PagerEvent>((*packet)->bytes, "the pager's event");
    if (!event) {
        failure_ = event.error().message;
    } else if (event->has_failed()) {
        failure_ = words(event->failed());
    } else if (event->has_ended()) {
        orderly_ = true;
        log::debug("pager: {} faults, {} chunks served, {} of them ahead", event->ended().faults(),
                   event->ended().chunks_served(), event->ended().chunks_prefetched());
    }
}

void PagerProcess::ended() {
    receive();  // what it said before it ended
    loop_.remove(control_.get());
    loop_.remove(child_.pidfd());
    const auto status = child_.wait();
    if (!failure_ && !orderly_) {
        failure_ = "the guest's memory cannot be served: anchorhold-pager ended unexpectedly";
        if (status && status->signal != 0) {
            *failure_ += fmt::format(": killed by signal {} ({})", status->signal,
                                     sigdescr_np(status->signal));
        }
    }
    tell();
}

void PagerProcess::tell() {
    if (failure_ && on_failed_) {
        std::exchange(on_failed_, nullptr)(*failure_);
    }
}

void PagerProcess::let_go() {
    loop_.remove(control_.get());
    loop_.remove(child_.pidfd());
    child_.let_go();
}

}  // namespace anchorhold::supervisor
