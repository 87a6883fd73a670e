// anchorhold-pager: guest memory on demand. Without an argument it serves one VMM: descriptor 3 is
// the supervisor's socket (proto/pager.proto). `compress` and `expand` turn a memory file,
// descriptor 3, into another, descriptor 4, which is empty.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <string_view>

#include "base/event_loop.h"
#include "base/log.h"
#include "base/sys.h"
#include "pager/compressed_memory.h"
#include "pager/lock_down.h"
#include "pager/session.h"

namespace anchorhold::pager {
namespace {

constexpr int kControlSocket = 3;
constexpr int kSource = 3;
constexpr int kTarget = 4;

Status serve() {
    OwnFd control(kControlSocket);
    OwnFd descriptors = ANCHORHOLD_TRY(sys::open("/proc/self/fd", O_PATH | O_DIRECTORY));
    const auto loop = ANCHORHOLD_TRY(EventLoop::create());
    ANCHORHOLD_TRY(lock_down_server());
    if (!Session(*loop, std::move(control), std::move(descriptors)).run()) {
        ::_exit(1);  // whoever listens was told why
    }
    return {};
}

Status compress() {
    ANCHORHOLD_TRY(lock_down_converter());
    return compress_memory(kSource, kTarget);
}

Status expand() {
    ANCHORHOLD_TRY(lock_down_converter());
    const auto source = ANCHORHOLD_TRY(CompressedMemory::open(OwnFd(kSource)));
    return expand_memory(*source, kTarget);
}

Status run(std::string_view mode) {
    if (mode.empty()) {
        return serve();
    }
    if (mode == "compress") {
        return compress();
    }
    if (mode == "expand") {
        return expand();
    }
    return fail("anchorhold-pager is started by anchorhold");
}

}  // namespace
}  // namespace anchorhold::pager

int main(int argc, char** argv) {
    using namespace anchorhold;
    log::configure("pager", log::level_from_environment(log::Level::kWarning));
    log::open_nothing_later();
    std::signal(SIGPIPE, SIG_IGN);
    const Status ended = pager::run(argc > 1 ? argv[1] : "");
    if (!ended) {
        log::error("{}", ended.error().message);
    }
    // Nothing is left to be done, and what the filter does not know need not be tried.
    ::_exit(ended ? 0 : 1);
}
