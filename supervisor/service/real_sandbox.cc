// Everything but snapshots (real_snapshot.cc) and forks (real_fork.cc).
#include "supervisor/service/real_sandbox.h"

#include <fmt/format.h>

#include <cerrno>
#include <utility>

#include "base/log.h"
#include "base/sys.h"

namespace anchorhold::service {
namespace {

using namespace std::chrono_literals;

constexpr Duration kPowerOffPatience = 10s;

Result<proto::ControlRequest> resume_as(const GuestIdentity& identity,
                                        const supervisor::Timeline& timeline) {
    return supervisor::resume_as(ANCHORHOLD_TRY(complete(identity)), timeline);
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
    handlers.on_resumed = [this] {
        if (on_resumed_) {
            post(std::exchange(on_resumed_, nullptr));
        }
    };
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
        when_resumed([done] { done({}); });
        if (const Status asked = go_on_as(identity, nullptr); !asked) {
            on_resumed_ = nullptr;
            answer(std::move(done), asked);
        }
        return;
    }
    const Status asked =
        sandbox_->run([this, identity, done](const Result<proto::VmmEvent>& running) {
            if (!running) {
                done(tl::unexpected(running.error()));
                return;
            }
            motion_ = Motion::kRunning;
            // One that was taken over may have been restored and never told who it is.
            const auto request = identity.generation == 0
                                     ? Result<proto::ControlRequest>(supervisor::thaw())
                                     : resume_as(identity, sandbox_->timeline());
            if (request) {
                control(*request, done);
            } else {
                done(tl::unexpected(request.error()));
            }
        });
    if (!asked) {
        answer(std::move(done), asked);
    }
}

void RealSandbox::claim(ClaimRequest request, Done done) {
    if (!request.folder.empty() && sandbox_->disk() >= 0) {
        if (const Status named = sys::link_file(sandbox_->disk(), request.folder + "/disk");
            !named) {
            answer(std::move(done), named);
            return;
        }
    }
    name_ = request.name;
    const bool stays = !request.folder.empty();
    if (stays) {
        when_resumed([done] { done({}); });
    }
    const Status asked = go_on_as(request.identity, request.set_up ? &*request.set_up : nullptr);
    if (!asked || !stays) {
        on_resumed_ = nullptr;
        done(asked);
    }
}

Status RealSandbox::go_on_as(const GuestIdentity& identity, const proto::ControlRequest* set_up) {
    const auto whole = ANCHORHOLD_TRY(complete(identity));
    ANCHORHOLD_TRY(sandbox_->claim(whole, set_up));
    motion_ = Motion::kRunning;
    return {};
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
