// One frame out, one frame in.
#include "machine/control_client.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "base/sys.h"
#include "proto/frame.h"

namespace anchorhold::machine {

Result<ControlClient> ControlClient::connect(const MachineFolder& folder) {
    OwnFd socket = ANCHORHOLD_TRY(folder.connect(kControlSocket));
    return ControlClient(std::move(socket));
}

void ControlClient::post(const proto::RelayRequest& request) const {
    std::string frame;
    proto::append_frame(frame, request);
    // Where the relay has left this fails, and reading says so.
    [[maybe_unused]] const ssize_t sent =
        ::send(socket_.get(), frame.data(), frame.size(), MSG_NOSIGNAL);
}

void ControlClient::wait_gone() const {
    std::byte ignored[256];
    while (sys::read_some(socket_.get(), ignored).value_or(std::nullopt).value_or(0) > 0) {
    }
}

Result<proto::RelayStatus> ControlClient::ask(const proto::RelayRequest& request) const {
    post(request);
    proto::FrameReader reader(proto::kMaxControlFrame);
    for (;;) {
        if (const auto message = ANCHORHOLD_TRY(reader.next())) {
            return proto::parse<proto::RelayStatus>(*message, "the relay's status");
        }
        std::byte bytes[1024];
        const auto got = sys::read_some(socket_.get(), bytes);
        if (!got || got->value_or(0) == 0) {
            return fail("the machine's relay left without an answer", ECONNRESET);
        }
        reader.feed(std::span(bytes, **got));
    }
}

}  // namespace anchorhold::machine
