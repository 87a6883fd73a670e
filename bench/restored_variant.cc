// The sandbox of one start is dropped when the next is prepared.
#include "bench/restored_variant.h"

#include <chrono>
#include <utility>

#include "bench/wait.h"
#include "supervisor/guest_identity.h"

namespace anchorhold::bench {
namespace {

using namespace std::chrono_literals;

// Whoever waits in a pool has waited for longer than this: it has dropped its start-up code.
constexpr Duration kSettled = 300ms;

}  // namespace

RestoredVariant::RestoredVariant(EventLoop& loop, const supervisor::Installation& installation,
                                 const supervisor::OpenTemplate& from, StartKind kind,
                                 std::optional<supervisor::MemoryBackend> memory,
                                 std::string version)
    : loop_(loop), installation_(installation), from_(from), memory_(memory) {
    description_.name = kOurName;
    description_.version = std::move(version);
    description_.command_line = {installation_.vmm};
    description_.start = kind;
}

Status RestoredVariant::prepare(Duration patience) {
    sandbox_.reset();
    shell_.reset();
    parked_ = gone_ = false;
    switch (description_.start) {
        case StartKind::kShell:
            shell_ = ANCHORHOLD_TRY(supervisor::Shell::start(
                loop_, installation_, from_.files.shape,
                {.on_prepared = nullptr, .on_end = [this](const std::string&) { gone_ = true; }}));
            ANCHORHOLD_TRY(shell_->prepare_disk(from_.files));
            ANCHORHOLD_TRY(wait_until(
                loop_, patience, [this] { return shell_->prepared(); }, gone_));
            break;
        case StartKind::kParked:
            ANCHORHOLD_TRY(restore(supervisor::RestoreRequest::Start::kPark, {}));
            ANCHORHOLD_TRY(wait_until(
                loop_, patience, [this] { return parked_; }, gone_));
            break;
        case StartKind::kCold:
        case StartKind::kRestored:
        case StartKind::kForked:
            return {};
    }
    bool settled = false;
    const auto timer = loop_.add_timer(kSettled, [&settled] { settled = true; });
    const Status waited = wait_until(
        loop_, patience, [&settled] { return settled; }, gone_);
    loop_.cancel_timer(timer);
    return waited;
}

Status RestoredVariant::start(Handlers handlers) {
    requested_ = supervisor::monotonic_ns();
    auto identity = ANCHORHOLD_TRY(supervisor::fresh_identity(""));
    handlers_ = std::move(handlers);
    if (parked_) {
        ANCHORHOLD_TRY(sandbox_->claim(identity));
        handlers_.on_ready();
        return {};
    }
    return restore(supervisor::RestoreRequest::Start::kRun, std::move(identity));
}

Status RestoredVariant::restore(supervisor::RestoreRequest::Start how,
                                supervisor::GuestIdentity identity) {
    sandbox_ = ANCHORHOLD_TRY(
        supervisor::Sandbox::restore(loop_, installation_,
                                     {.start = how,
                                      .files = from_.files,
                                      .identity = std::move(identity),
                                      .shell = std::move(shell_),
                                      .memory = memory_},
                                     {},
                                     {.on_ready = [this, how] { is_ready(how); },
                                      .on_end =
                                          [this](const std::string& error) {
                                              gone_ = true;
                                              if (handlers_.on_end) {
                                                  std::exchange(handlers_, {}).on_end(error);
                                              }
                                          },
                                      .on_console = nullptr}));
    return {};
}

void RestoredVariant::is_ready(supervisor::RestoreRequest::Start how) {
    if (how == supervisor::RestoreRequest::Start::kPark) {
        parked_ = true;
    } else {
        handlers_.on_ready();
    }
}

const supervisor::Timeline& RestoredVariant::timeline() const {
    timeline_ = sandbox_->timeline();
    timeline_.requested = requested_;
    return timeline_;
}

pid_t RestoredVariant::vmm_pid() const {
    if (shell_) {
        return shell_->pid();
    }
    return sandbox_ ? sandbox_->vmm_pid() : 0;
}

GuestMappings RestoredVariant::guest_mappings() const {
    return {.name = "/memory.raw", .bytes = from_.manifest.shape.memory_bytes};
}

}  // namespace anchorhold::bench
