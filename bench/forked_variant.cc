// pause, snapshot and the disk's clone, run, restore: each step begins in the one before's answer.
#include "bench/forked_variant.h"

#include <sys/mman.h>

#include <utility>

#include "base/sys.h"
#include "bench/wait.h"
#include "supervisor/disk.h"
#include "supervisor/guest_identity.h"

namespace anchorhold::bench {
namespace {

constexpr const char* kMemoryName = "forked-memory";

}  // namespace

// What a fork starts from.
struct ForkedVariant::Copy {
    OwnFd state;
    OwnFd memory;
    OwnFd disk;
};

ForkedVariant::ForkedVariant(EventLoop& loop, const supervisor::Installation& installation,
                             const supervisor::OpenTemplate& from, std::string version)
    : loop_(loop), installation_(installation), from_(from) {
    description_.name = kOurName;
    description_.version = std::move(version);
    description_.command_line = {installation_.vmm};
    description_.start = StartKind::kForked;
}

Status ForkedVariant::prepare(Duration patience) {
    child_.reset();
    return source_ ? Status() : start_source(patience);
}

Status ForkedVariant::start_source(Duration patience) {
    auto identity = ANCHORHOLD_TRY(supervisor::fresh_identity(""));
    source_ = ANCHORHOLD_TRY(supervisor::Sandbox::restore(
        loop_, installation_,
        {.files = from_.files, .identity = std::move(identity), .shell = nullptr}, {},
        {.on_ready = [] {},
         .on_end = [this](const std::string&) { source_gone_ = true; },
         .on_console = nullptr,
         .on_resumed = [this] { source_runs_ = true; }}));
    return wait_until(
        loop_, patience, [this] { return source_runs_; }, source_gone_);
}

Status ForkedVariant::start(Handlers handlers) {
    requested_ = supervisor::monotonic_ns();
    handlers_ = std::move(handlers);
    const auto copy = std::make_shared<Copy>();
    return source_->pause([this, copy](const Result<proto::VmmEvent>& paused) {
        if (paused) {
            write_source(copy);
        } else {
            fail_start(paused.error());
        }
    });
}

void ForkedVariant::write_source(const std::shared_ptr<Copy>& copy) {
    const auto begin = [&]() -> Status {
        copy->state = ANCHORHOLD_TRY(sys::memfd("forked-state", 0));
        copy->memory = ANCHORHOLD_TRY(
            sys::memfd(kMemoryName, from_.manifest.shape.memory_bytes, MFD_ALLOW_SEALING));
        return source_->snapshot(copy->state.get(), copy->memory.get(),
                                 [this, copy](const Result<proto::VmmEvent>& written) {
                                     if (written) {
                                         go_on(copy);
                                     } else {
                                         fail_start(written.error());
                                     }
                                 });
    };
    if (const Status begun = begin(); !begun) {
        fail_start(begun.error());
    }
}

// The disk is cloned before the source writes to it again.
void ForkedVariant::go_on(const std::shared_ptr<Copy>& copy) {
    const auto begin = [&]() -> Status {
        if (source_->disk() >= 0) {
            copy->disk = ANCHORHOLD_TRY(
                supervisor::clone_disk(source_->disk(), supervisor::default_disk_folder()));
        }
        return source_->run([this, copy](const Result<proto::VmmEvent>& running) {
            const Status restored =
                running ? restore(*copy) : Status(tl::unexpected(running.error()));
            if (!restored) {
                fail_start(restored.error());
            }
        });
    };
    if (const Status begun = begin(); !begun) {
        fail_start(begun.error());
    }
}

Status ForkedVariant::restore(const Copy& copy) {
    supervisor::SnapshotFiles files;
    files.shape = from_.files.shape;
    files.image = from_.files.image;
    files.image_file = ANCHORHOLD_TRY(sys::dup_cloexec(from_.files.image_file.get()));
    files.state = ANCHORHOLD_TRY(sys::dup_cloexec(copy.state.get()));
    files.memory = ANCHORHOLD_TRY(sys::dup_cloexec(copy.memory.get()));
    supervisor::SandboxParts parts;
    if (copy.disk.valid()) {
        parts.disk = ANCHORHOLD_TRY(sys::dup_cloexec(copy.disk.get()));
    }
    auto identity = ANCHORHOLD_TRY(supervisor::fresh_identity(""));
    child_ = ANCHORHOLD_TRY(supervisor::Sandbox::restore(
        loop_, installation_, {.files = files, .identity = std::move(identity), .shell = nullptr},
        std::move(parts),
        {.on_ready = [this] { handlers_.on_ready(); },
         .on_end =
             [this](const std::string& error) {
                 if (handlers_.on_end) {
                     std::exchange(handlers_, {}).on_end(error);
                 }
             },
         .on_console = nullptr}));
    return {};
}

void ForkedVariant::fail_start(const Error& error) {
    loop_.post([this, message = error.message] {
        if (handlers_.on_end) {
            std::exchange(handlers_, {}).on_end(message);
        }
    });
}

const supervisor::Timeline& ForkedVariant::timeline() const {
    timeline_ = child_->timeline();
    timeline_.requested = requested_;
    return timeline_;
}

GuestMappings ForkedVariant::guest_mappings() const {
    return {.name = kMemoryName, .bytes = from_.manifest.shape.memory_bytes};
}

}  // namespace anchorhold::bench
