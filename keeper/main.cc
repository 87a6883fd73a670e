// anchorhold-keeper: not for people; `anchorhold serve` starts it. Descriptor 3 is its listener,
// the one argument how many seconds it holds sandboxes while no supervisor is there (0: for ever).
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <charconv>
#include <cstring>

#include "base/event_loop.h"
#include "base/log.h"
#include "base/sys.h"
#include "keeper/keeper.h"

namespace anchorhold::keeper {
namespace {

constexpr int kListener = 3;

Result<Keeper::Options> options_from(int argc, char** argv) {
    uint64_t seconds = 0;
    const char* text = argc == 2 ? argv[1] : "";
    const char* end = text + std::strlen(text);
    if (const auto [rest, error] = std::from_chars(text, end, seconds);
        argc != 2 || error != std::errc() || rest != end || seconds > 366'000'000) {
        return fail("use anchorhold serve");
    }
    Keeper::Options options;
    if (seconds != 0) {
        options.patience = std::chrono::seconds(seconds);
    }
    return options;
}

// What it holds is nobody else's, and it never executes anything.
Status lock_down() {
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) {
        return fail_errno("prctl");
    }
    return {};
}

Status run(int argc, char** argv) {
    log::configure("keeper", log::level_from_environment(log::Level::kWarning));
    ::signal(SIGPIPE, SIG_IGN);
    ::signal(SIGHUP, SIG_IGN);  // a terminal that closes ends no sandbox
    ::signal(SIGINT, SIG_IGN);
    Keeper::Options options = ANCHORHOLD_TRY(options_from(argc, argv));
    ANCHORHOLD_TRY(lock_down());
    ANCHORHOLD_TRY(sys::raise_descriptor_limit());
    if (::chdir("/") < 0) {
        return fail_errno("chdir", "/");
    }
    const std::unique_ptr<EventLoop> loop = ANCHORHOLD_TRY(EventLoop::create());
    options.on_idle = [&loop] { loop->stop(); };
    const std::unique_ptr<Keeper> keeper =
        ANCHORHOLD_TRY(Keeper::create(*loop, OwnFd(kListener), std::move(options)));
    return loop->run();
}

}  // namespace
}  // namespace anchorhold::keeper

int main(int argc, char** argv) {
    const anchorhold::Status done = anchorhold::keeper::run(argc, argv);
    if (!done) {
        anchorhold::log::error("{}", done.error().message);
        return 1;
    }
    return 0;
}
