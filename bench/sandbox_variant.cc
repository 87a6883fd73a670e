// The sandbox of one start is dropped when the next is prepared.
#include "bench/sandbox_variant.h"

#include <utility>

namespace anchorhold::bench {

SandboxVariant::SandboxVariant(EventLoop& loop, const supervisor::Installation& installation,
                               supervisor::SandboxSpec spec, std::string version)
    : loop_(loop), installation_(installation), spec_(std::move(spec)) {
    description_.name = kOurName;
    description_.version = std::move(version);
    description_.command_line = {installation_.vmm};
}

Status SandboxVariant::prepare(Duration /*patience*/) {
    sandbox_.reset();
    return {};
}

Status SandboxVariant::start(Handlers handlers) {
    sandbox_ = ANCHORHOLD_TRY(supervisor::Sandbox::start(
        loop_, installation_, spec_, {},
        {std::move(handlers.on_ready), std::move(handlers.on_end), nullptr}));
    return {};
}

GuestMappings SandboxVariant::guest_mappings() const {
    return {.name = "/memfd:guest-memory", .bytes = spec_.memory_bytes};
}

}  // namespace anchorhold::bench
