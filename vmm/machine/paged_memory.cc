// PagerServe out, PagerReady in, then nothing but waiting for the end.
#include "vmm/machine/paged_memory.h"

#include <sys/epoll.h>

#include <utility>

#include "base/seqpacket.h"
#include "proto/frame.h"
#include "proto/pager.pb.h"
#include "snapshot/userfault.h"

namespace anchorhold::vmm {
namespace {

Status hand_over(const OwnFd& socket, const OwnFd& faults, std::span<std::byte> range) {
    proto::PagerServe serve;
    serve.set_address(reinterpret_cast<uintptr_t>(range.data()));
    serve.set_bytes(range.size());
    serve.set_page_bytes(memory::kPageSize);
    const int passed = faults.get();
    ANCHORHOLD_TRY(send_packet(socket.get(), serve.SerializeAsString(), {&passed, 1}));
    // The socket blocks: nothing can go on before this answer.
    const auto packet = ANCHORHOLD_TRY(receive_packet(socket.get()));
    if (!packet || packet->bytes.empty()) {
        return fail("the pager refused it");
    }
    const auto ready =
        ANCHORHOLD_TRY(proto::parse<proto::PagerReady>(packet->bytes, "the pager's answer"));
    if (ready.bytes() != range.size()) {
        return fail("the pager has " + std::to_string(ready.bytes()) + " bytes, the machine " +
                    std::to_string(range.size()));
    }
    return {};
}

}  // namespace

Result<std::unique_ptr<PagedMemory>> PagedMemory::create(memory::GuestMemory& memory, OwnFd socket,
                                                         const OwnFd& device, EventLoop& loop,
                                                         std::function<void()> on_gone) {
    ANCHORHOLD_TRY(memory.back_anonymous());
    OwnFd faults = ANCHORHOLD_TRY(snapshot::open_userfault(device.get(), memory.bytes()));
    ANCHORHOLD_TRY(hand_over(socket, faults, memory.bytes()));
    std::unique_ptr<PagedMemory> paged(new PagedMemory(loop, std::move(socket), std::move(faults)));
    // It says nothing more; whatever becomes readable is its end.
    ANCHORHOLD_TRY(loop.add(paged->socket_.get(), EPOLLIN,
                            [self = paged.get(), gone = std::move(on_gone)](uint32_t) {
                                self->loop_.remove(self->socket_.get());
                                gone();
                            }));
    return paged;
}

PagedMemory::~PagedMemory() {
    loop_.remove(socket_.get());
}

}  // namespace anchorhold::vmm
