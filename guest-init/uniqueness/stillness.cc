// Two sequences and their failures.
#include "guest-init/uniqueness/stillness.h"

#include <x86intrin.h>

#include <span>
#include <string>
#include <utility>

#include "base/log.h"
#include "guest-init/uniqueness/resume_request.h"

namespace anchorhold::guest_init {

Stillness::Stillness(EventLoop& loop, Parts parts) : loop_(loop), parts_(std::move(parts)) {}

Stillness::~Stillness() {
    loop_.cancel_timer(deadline_);
}

// ---- freezing

void Stillness::freeze(const proto::Freeze& request, Done done) {
    if (parts_.freezer == nullptr) {
        done(fail("freeze: this guest has no cgroups"));
        return;
    }
    if (state_ == State::kFreezing) {
        done(fail("freeze: another one is on its way"));
        return;
    }
    before_ = std::exchange(state_, State::kFreezing);
    done_ = std::move(done);
    drop_caches_ = request.drop_caches();
    deadline_ = loop_.add_timer(kPatience, [this] { on_deadline(); });
    if (!request.close_streams()) {
        freeze_agent();
        return;
    }
    waits_for_ = "streams to the host did not end";
    parts_.hold_streams([this, attempt = ++attempt_, alive = std::weak_ptr(alive_)] {
        if (!alive.expired() && state_ == State::kFreezing && attempt == attempt_) {
            freeze_agent();
        }
    });
}

void Stillness::freeze_agent() {
    waits_for_ = "the agent did not stand still";
    const Status frozen = parts_.freezer->freeze([this] { on_frozen(); });
    if (!frozen) {
        undo(frozen.error());
    }
}

void Stillness::on_frozen() {
    if (state_ != State::kFreezing) {
        return;  // given up meanwhile
    }
    if (drop_caches_) {
        // The loop may wait for the disk here: of those it serves, the agent stands still and the
        // host awaits this answer.
        const Status dropped = parts_.drop_caches();
        if (!dropped) {
            undo(dropped.error());
            return;
        }
    }
    state_ = before_ == State::kHalfResumed ? before_ : State::kFrozen;
    finish({});
}

void Stillness::on_deadline() {
    deadline_ = 0;
    undo(Error{std::string(waits_for_) + " within 2 s"});
}

void Stillness::undo(const Error& error) {
    state_ = before_;
    if (state_ == State::kRunning) {
        const Status thawed = thaw();
        if (!thawed) {
            log::error("freeze: {}", thawed.error().message);
        }
    }
    finish(tl::unexpected(error.within("freeze")));
}

void Stillness::finish(const Status& status) {
    loop_.cancel_timer(std::exchange(deadline_, 0));
    const Done done = std::exchange(done_, {});
    done(status);
}

// ---- going on

Status Stillness::resume(const proto::Resume& request) {
    const bool plain = is_plain(request);
    const Status checked = check_resume(request, parts_.identity.generation());
    if (!checked) {
        return tl::unexpected(checked.error().within("resume"));
    }
    if (state_ == State::kHalfResumed) {
        return fail("resume: an earlier one failed half-way; the agent stays frozen");
    }
    const bool frozen =
        state_ == State::kFrozen || (state_ == State::kFreezing && before_ == State::kFrozen);
    if (!plain && !frozen) {
        return fail("resume: the agent is not frozen, so this guest stays who it is");
    }
    if (state_ == State::kFreezing) {
        state_ = before_;
        finish(fail("freeze: called off by a resume"));
    }
    if (!plain) {
        const Status became = become(request);
        if (!became) {
            state_ = State::kHalfResumed;
            return tl::unexpected(became.error().within("resume"));
        }
    }
    const Status thawed = thaw();
    if (!thawed) {
        return tl::unexpected(thawed.error().within("resume"));
    }
    state_ = State::kRunning;
    return {};
}

// The kernel's randomness first: whatever is made of randomness after it is new. Hooks last: what
// they tell of is all in place when their processes wake up.
Status Stillness::become(const proto::Resume& request) {
    Identity& identity = parts_.identity;
    if (!request.entropy().empty()) {
        ANCHORHOLD_TRY(identity.add_entropy(std::as_bytes(std::span(request.entropy()))));
    }
    if (request.wall_clock_ns() != 0) {
        ANCHORHOLD_TRY(identity.set_wall_clock(wall_clock_at(request, __rdtsc())));
    }
    if (!request.machine_id().empty()) {
        ANCHORHOLD_TRY(identity.set_machine_id(request.machine_id()));
    }
    if (!request.boot_id().empty()) {
        ANCHORHOLD_TRY(identity.set_boot_id(request.boot_id()));
    }
    if (!request.host_name().empty()) {
        ANCHORHOLD_TRY(identity.set_host_name(request.host_name()));
    }
    if (request.generation() != 0) {
        ANCHORHOLD_TRY(identity.set_generation(request.generation()));
        ANCHORHOLD_TRY(identity.signal_hooks());
    }
    return {};
}

Status Stillness::thaw() {
    if (parts_.freezer != nullptr) {
        ANCHORHOLD_TRY(parts_.freezer->thaw());
    }
    parts_.release_streams();
    return {};
}

}  // namespace anchorhold::guest_init
