// From requests to sandboxes: booted, restored from templates, parked, adopted.
#include "supervisor/service/sandbox_engine.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "base/sys.h"
#include "proto/ports.h"
#include "supervisor/audit/digest_beside.h"
#include "supervisor/audit/file_digest.h"
#include "supervisor/disk.h"
#include "supervisor/service/real_shell.h"
#include "supervisor/service/restoring_sandbox.h"

namespace anchorhold::service {
namespace {

supervisor::SandboxSpec spec_of(const supervisor::TemplateManifest& manifest) {
    supervisor::SandboxSpec spec;
    spec.image = manifest.image;
    spec.cpus = manifest.shape.cpus;
    spec.memory_bytes = manifest.shape.memory_bytes;
    spec.disk_bytes = manifest.disk_bytes;
    return spec;
}

}  // namespace

Result<TemplateInfo> RealEngine::find_template(const std::string& name) {
    const TemplateRef found = ANCHORHOLD_TRY(templates_.find(name));
    const supervisor::TemplateManifest& manifest = found->manifest;
    TemplateInfo info;
    info.name = name;
    info.image = manifest.image;
    info.cpus = manifest.shape.cpus;
    info.memory_bytes = manifest.shape.memory_bytes;
    info.disk_bytes = manifest.disk_bytes;
    if (manifest.memory_form == supervisor::MemoryForm::kCompressed) {
        // A pager fills whole chunks, and none of them is shared.
        info.memory_backend = supervisor::MemoryBackend::kUserfaultfd;
        info.parked_bytes = manifest.memory_stored;
    } else {
        info.parked_bytes = manifest.working_set * 4096;
    }
    return info;
}

SandboxEngine::Made RealEngine::start_cold(StartRequest request, Handlers handlers) {
    if (!request.folder.empty() && request.spec.disk_bytes != 0) {
        request.parts.disk = ANCHORHOLD_TRY(supervisor::open_or_make_disk(
            request.folder + "/disk",
            {request.spec.disk_bytes, request.folder, context_.installation.disk_template}));
    }
    ANCHORHOLD_TRY(supervisor::check_digests_beside(context_.installation.boot_files(request.spec),
                                                    supervisor::default_digest_cache()));
    auto made =
        std::make_unique<RealSandbox>(context_, request.name, request.spec, std::move(handlers));
    made->set(ANCHORHOLD_TRY(supervisor::Sandbox::start(context_.loop, context_.installation,
                                                        request.spec, std::move(request.parts),
                                                        made->sandbox_handlers())));
    return made;
}

SandboxEngine::Made RealEngine::restore(const TemplateInfo& origin, StartRequest request,
                                        std::unique_ptr<Shell> shell, Handlers handlers) {
    const TemplateRef found = ANCHORHOLD_TRY(templates_.find(origin.name));
    if (!request.folder.empty() && found->files.disk.valid()) {
        request.parts.disk = ANCHORHOLD_TRY(
            supervisor::clone_disk_to(found->files.disk.get(), request.folder + "/disk"));
    }
    auto identity = ANCHORHOLD_TRY(complete(request.identity));
    // What it carries is in the template.
    request.parts.set_up.reset();
    auto made = std::make_unique<RealSandbox>(context_, request.name, spec_of(found->manifest),
                                              std::move(handlers));
    supervisor::Sandbox::Handlers when = made->sandbox_handlers();
    if (!request.folder.empty()) {
        made->when_resumed(std::exchange(when.on_ready, nullptr));
    }
    made->set(ANCHORHOLD_TRY(
        supervisor::Sandbox::restore(context_.loop, context_.installation,
                                     {.start = supervisor::RestoreRequest::Start::kRun,
                                      .files = found->files,
                                      .identity = std::move(identity),
                                      .shell = RealShell::take(std::move(shell)),
                                      .memory = request.memory_backend},
                                     std::move(request.parts), std::move(when))));
    return made;
}

SandboxEngine::Made RealEngine::park(const TemplateInfo& origin, std::unique_ptr<Shell> shell,
                                     Handlers handlers) {
    const TemplateRef found = ANCHORHOLD_TRY(templates_.find(origin.name));
    auto made = std::make_unique<RealSandbox>(context_, "parked", spec_of(found->manifest),
                                              std::move(handlers));
    supervisor::SandboxParts parts;
    std::vector<supervisor::GuestChannel> ours;
    for (const uint32_t port : {proto::kEgressPort, proto::kNoticePort}) {
        // Until somebody takes our end nothing answers there: the window of a parked one is shut.
        auto [host, guest] = ANCHORHOLD_TRY(sys::socket_pair(SOCK_SEQPACKET | SOCK_NONBLOCK));
        ours.push_back({port, std::move(host)});
        parts.channels.push_back({port, std::move(guest)});
    }
    made->set_channels(std::move(ours));
    made->set(ANCHORHOLD_TRY(
        supervisor::Sandbox::restore(context_.loop, context_.installation,
                                     {.start = supervisor::RestoreRequest::Start::kPark,
                                      .files = found->files,
                                      .identity = {},
                                      .shell = RealShell::take(std::move(shell))},
                                     std::move(parts), made->sandbox_handlers())));
    return made;
}

Result<std::unique_ptr<Shell>> RealEngine::make_shell(const TemplateInfo& origin,
                                                      Handlers handlers) {
    const TemplateRef found = ANCHORHOLD_TRY(templates_.find(origin.name));
    auto shell = ANCHORHOLD_TRY(supervisor::Shell::start(
        context_.loop, context_.installation, found->files.shape,
        {.on_prepared = std::move(handlers.on_ready), .on_end = std::move(handlers.on_end)}));
    ANCHORHOLD_TRY(shell->prepare_disk(found->files));
    return std::make_unique<RealShell>(std::move(shell));
}

SandboxEngine::Made RealEngine::restore_snapshot(const std::string& folder, StartRequest request,
                                                 Handlers handlers) {
    return RestoringSandbox::start(context_, folder, std::move(request), std::move(handlers));
}

SandboxEngine::Made RealEngine::adopt(const std::string& name,
                                      std::map<std::string, OwnFd> descriptors,
                                      const supervisor::SandboxSpec& spec, Handlers handlers) {
    supervisor::AdoptedParts parts;
    parts.control = std::move(descriptors[kControlRole]);
    parts.pidfd = std::move(descriptors[kPidfdRole]);
    parts.guest_streams = std::move(descriptors[kGuestStreamsRole]);
    parts.disk = std::move(descriptors[kDiskRole]);
    parts.pager_control = std::move(descriptors[kPagerControlRole]);
    parts.pager_pidfd = std::move(descriptors[kPagerPidfdRole]);
    if (!parts.control.valid() || !parts.pidfd.valid()) {
        return fail(fmt::format("sandbox {}: not everything of it was kept", name));
    }
    auto made = std::make_unique<RealSandbox>(context_, name, spec, std::move(handlers));
    made->set(ANCHORHOLD_TRY(
        supervisor::Sandbox::adopt(context_.loop, context_.installation.image_path(spec.image),
                                   std::move(parts), made->sandbox_handlers())));
    made->tell_ready();
    return made;
}

}  // namespace anchorhold::service
