// What warm starts start from: a template that exists, or one made for this run of the bench.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/result.h"
#include "proto/exec.pb.h"
#include "supervisor/installation.h"
#include "supervisor/spec.h"
#include "supervisor/templates/template_store.h"

namespace anchorhold::bench {

struct WarmTemplateRequest {
    supervisor::SandboxSpec sandbox;
    std::vector<std::string> warm;  // shell commands, as of `template create --warm`
    proto::ExecStart command;       // its working set is what a start populates
    std::string folder;             // of the template's files; they may be deleted once it is open
    std::function<void(const std::string& step)> on_step;  // may be empty
};

// Runs the loop until the template is made and open.
[[nodiscard]] Result<supervisor::OpenTemplate> make_warm_template(
    EventLoop& loop, const supervisor::Installation& installation,
    const WarmTemplateRequest& request);

// One of `anchorhold template create`.
[[nodiscard]] Result<supervisor::OpenTemplate> open_warm_template(const std::string& name);

}  // namespace anchorhold::bench
