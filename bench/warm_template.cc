// The builder of `template create`, without a certificate to trust: nothing here leaves the
// sandbox.
#include "bench/warm_template.h"

#include <optional>
#include <utility>

#include "exec/shell_command.h"
#include "supervisor/audit/file_digest.h"
#include "supervisor/templates/resident.h"
#include "supervisor/templates/template_builder.h"

namespace anchorhold::bench {
namespace {

constexpr const char* kName = "bench";

// As a service has it.
Result<supervisor::OpenTemplate> resident(Result<supervisor::OpenTemplate> opened) {
    if (opened) {
        ANCHORHOLD_TRY(supervisor::make_resident(*opened));
    }
    return opened;
}

}  // namespace

Result<supervisor::OpenTemplate> make_warm_template(EventLoop& loop,
                                                    const supervisor::Installation& installation,
                                                    const WarmTemplateRequest& request) {
    const supervisor::TemplateStore store(request.folder);
    supervisor::TemplateRequest wanted;
    wanted.name = kName;
    wanted.sandbox = request.sandbox;
    for (const std::string& line : request.warm) {
        wanted.warm.push_back(exec::shell_command(line));
    }
    wanted.probe = request.command;
    wanted.digest_cache = supervisor::default_digest_cache();
    std::optional<Result<supervisor::TemplateManifest>> done;
    supervisor::TemplateBuilder::Handlers handlers;
    handlers.on_step = request.on_step;
    handlers.on_done = [&done](Result<supervisor::TemplateManifest> made) {
        done = std::move(made);
    };
    const auto builder = ANCHORHOLD_TRY(supervisor::TemplateBuilder::start(
        loop, installation, store, std::move(wanted), std::move(handlers)));
    while (!done) {
        ANCHORHOLD_TRY(loop.run_once(Duration::max()));
    }
    ANCHORHOLD_TRY(*done);
    return resident(store.open(kName, supervisor::default_digest_cache()));
}

Result<supervisor::OpenTemplate> open_warm_template(const std::string& name) {
    const supervisor::TemplateStore store(ANCHORHOLD_TRY(supervisor::default_template_folder()));
    return resident(store.open(name, supervisor::default_digest_cache()));
}

}  // namespace anchorhold::bench
