// Everything but snapshots (real_snapshot.cc) and forks (real_fork.cc).
#include "supervisor/service/real_sandbox.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/log.h"

namespace anchorhold::service {
namespace {

using namespace std::chrono_literals;

constexpr Duration kPowerOffPatience = 10s;

Result<proto::ControlRequest> resume_as(const GuestIdentity& identity,
                                        const supervisor::Timeline& timeline) {
    return supervisor::resume_as(ANCHORHOLD_TRY(complete(identity)), timeline);
}

// Gives a file without a name one (open(2), O_TMPFILE).
Status name_disk(int disk, const std::string& path) {
    const std::string self = fmt::format("/proc/self/fd/{}", disk);
    if (::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) < 0) {
        return fail_errno("link", path);
    }
    return {};
}

}  // namespace

Result<supervisor::GuestIdentity> complete(const GuestIdentity& identity) {
    auto fresh = ANCHORHOLD_TRY(supervisor::fresh_identity(identity.host_name));
    if (!identity.machine_id.empty()) {
        fresh.machine_id = identity.machine_id;
    }
    return fresh;
}

RealSandbox::RealSandbox(const EngineContext& context, std::string name,
                         supervisor::SandboxSpec spec, Handlers handlers)
    : context_(context),
      loop_(context.loop),
      name_(std::move(name)),
      spec_(std::move(spec)),
      handlers_(std::move(handlers)) {}

RealSandbox::~RealSandbox() {
    *self_ = nullptr;
    loop_.cancel_timer(power_off_limit_);
    give_up_birth();
}

void RealSandbox::post(std::function<void()> task) {
    loop_.post([self = self_, task = std::move(task)] {
        if (*self != nullptr) {
            task();
        }
    });
}

void RealSandbox::answer(Done done, Status status) {
    post([done = std::move(done), status = std::move(status)] { done(status); });
}

supervisor::Sandbox::Handlers RealSandbox::sandbox_handlers() {
    supervisor::Sandbox::Handlers handlers;
    handlers.on_ready = [this] { handlers_.on_ready(); };
    handlers.on_end = [this](const std::string& error) {
        vault_.reset();
        // What was asked for is forgotten, also where its answer is on the way: the end says it.
        *self_ = nullptr;
        const auto on_end = std::move(handlers_.on_end);  // it may destroy this object
        const std::string text = error;
        on_end(text);
    };
    return handlers;
}

void RealSandbox::tell_ready() {
    post([this] { handlers_.on_ready(); });
}

void RealSandbox::count_streams(std::function<void(const Result<uint64_t>&)> answer) {
    const Status asked = sandbox_->request_statistics(
        [answer](const proto::Statistics& statistics) { answer(statistics.open_streams()); });
    if (!asked) {
        post([answer, error = asked.error()] { answer(tl::unexpected(error)); });
    }
}

void RealSandbox::control(const proto::ControlRequest& request, Done done) {
    const Status sent =
        sandbox_->control(request, [done](const Result<proto::ControlAnswer>& answered) {
            done(answered ? Status() : Status(tl::unexpected(answered.error())));
        });
    if (!sent) {
        answer(std::move(done), sent);
    }
}

// The agent first: what was running inside is then at a place where it can wait for ever.
void RealSandbox::pause(Done done) {
    proto::ControlRequest freeze;
    freeze.mutable_freeze();
    control(freeze, [this, done](const Status& frozen) {
        if (frozen) {
            stop_processors(done);
        } else {
            done(frozen);
        }
    });
}

void RealSandbox::stop_processors(Done done) {
    const Status asked = sandbox_->pause([this, done](const Result<proto::VmmEvent>& paused) {
        if (!paused) {
            done(tl::unexpected(paused.error()));
            return;
        }
        motion_ = Motion::kStill;
        done(Status());
    });
    if (!asked) {
        answer(std::move(done), asked);
    }
}

void RealSandbox::resume(const GuestIdentity& identity, Done done) {
    if (sandbox_->parked()) {
        claim({.name = name_, .folder = {}, .identity = identity, .set_up = {}}, std::move(done));
        return;
    }
    // One that was taken over may have been restored and never told who it is.
    auto request = identity.generation == 0 ? Result<proto::ControlRequest>(supervisor::thaw())
                                            : resume_as(identity, sandbox_->timeline());
    if (!request) {
        answer(std::move(done), tl::unexpected(request.error()));
        return;
    }
    const Status asked = sandbox_->run(
        [this, done, asked_of_init = std::move(*request)](const Result<proto::VmmEvent>& running) {
            if (!running) {
                done(tl::unexpected(running.error()));
                return;
            }
            motion_ = Motion::kRunning;
            control(asked_of_init, done);
        });
    if (!asked) {
        answer(std::move(done), asked);
    }
}

void RealSandbox::claim(ClaimRequest request, Done done) {
    if (!request.folder.empty() && sandbox_->disk() >= 0) {
        if (const Status named = name_disk(sandbox_->disk(), request.folder + "/disk"); !named) {
            answer(std::move(done), named);
            return;
        }
    }
    name_ = request.name;
    auto identity = complete(request.identity);
    Status status = identity ? Status() : Status(tl::unexpected(identity.error()));
    if (status) {
        status = sandbox_->claim(*identity, request.set_up ? &*request.set_up : nullptr);
    }
    motion_ = Motion::kRunning;
    // At once: what is started now stands still until the guest is who it is to be.
    done(status);
}

// Init answers when everything is on the disk; what is left of the guest then is nobody's loss.
void RealSandbox::power_off() {
    proto::ControlRequest request;
    request.mutable_power_off();
    control(request, [this](const Status& answered) {
        if (!answered) {
            log::warning("sandbox {}: powering off: {}", name_, answered.error().message);
        }
        // From the loop: the call is on the stack.
        post([this] { sandbox_->destroy(); });
    });
    power_off_limit_ = loop_.add_timer(kPowerOffPatience, [this] { sandbox_->destroy(); });
}

std::vector<KeptDescriptor> RealSandbox::descriptors() const {
    const supervisor::Sandbox::Descriptors numbers = sandbox_->descriptors();
    std::vector<KeptDescriptor> kept = {{kControlRole, numbers.control},
                                        {kPidfdRole, numbers.pidfd},
                                        {kGuestStreamsRole, numbers.guest_streams}};
    if (numbers.disk >= 0) {
        kept.push_back({kDiskRole, numbers.disk});
    }
    if (numbers.pager_control >= 0) {
        kept.push_back({kPagerControlRole, numbers.pager_control});
        kept.push_back({kPagerPidfdRole, numbers.pager_pidfd});
    }
    return kept;
}

}  // namespace anchorhold::service
